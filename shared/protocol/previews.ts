import { z } from 'zod';
import { treePathSchema } from './files.ts';

export const suspicionReasonSchema = z.enum(['black', 'uniform', 'nan', 'undecodable', 'missing']);
export type SuspicionReason = z.infer<typeof suspicionReasonSchema>;

/** A picture a person should look at, or one that should be there and is not. */
export const suspiciousFrameSchema = z
  .object({
    step: z.string(),
    task: z
      .int()
      .min(0)
      .optional()
      .describe('Absent where a number is missing that no task is known to make.'),
    path: treePathSchema.optional(),
    frame: z.int().optional().describe("The frame's number, as its file's name has it."),
    reason: suspicionReasonSchema.describe(
      'black: nothing to see. uniform: one color all over. nan: values that are no numbers, or infinite. undecodable: cut off or garbled. missing: its siblings are there.',
    ),
    detail: z.string().describe('In words.'),
  })
  .meta({ id: 'SuspiciousFrame' });
export type SuspiciousFrame = z.infer<typeof suspiciousFrameSchema>;

/** Tasks of a step that suspicious frames are noted of; those behind them are not counted either. */
export const SUSPICIOUS_TASKS_MAX = 1000;
/** Suspicious frames noted of one task, and of a step's missing ones. */
export const SUSPICIOUS_PER_TASK_MAX = 100;

export const suspiciousFramesSchema = z.object({
  total: z.int().min(0),
  items: z
    .array(suspiciousFrameSchema)
    .describe('By step, then task; the first 1,000 where there are more.'),
});

const href = z.string().describe('Path of a route of this API.');
const size = { width: z.int().min(1), height: z.int().min(1) };

export const contactSheetSchema = z
  .object({ href, ...size, pictures: z.int().min(1).describe('How many it shows.') })
  .meta({ id: 'ContactSheet' });

export const previewMovieSchema = z
  .object({
    href,
    ...size,
    pattern: z
      .string()
      .describe("The frames' path, with one # for each digit of the number: f_####.png."),
    first: z.int(),
    last: z.int(),
    frames: z.int().min(1).describe('How many the film shows.'),
    fps: z.number(),
    sizeBytes: z.int().min(1),
  })
  .meta({ id: 'PreviewMovie' });

export const picturePreviewSchema = z
  .object({
    task: z.int().min(0),
    path: treePathSchema,
    thumbnail: href.optional().describe('Absent while it is not made, and where it cannot be.'),
    width: z.int().optional().describe("The picture's own, pixels."),
    height: z.int().optional(),
    suspicious: z.array(suspicionReasonSchema).optional(),
    note: z.string().optional().describe('Why there is no thumbnail.'),
  })
  .meta({ id: 'PicturePreview' });

export const stepPreviewsSchema = z
  .object({
    isComplete: z
      .boolean()
      .describe('The step has ended, and contact sheet and films are of all its pictures.'),
    contactSheet: contactSheetSchema.optional(),
    movies: z.array(previewMovieSchema).describe('One for each sequence of frames.'),
    pictures: z
      .array(picturePreviewSchema)
      .describe('Those of this page of outputs: there may be fewer than `limit`.'),
    nextCursor: z.string().optional().describe('Absent on the last page.'),
  })
  .meta({ id: 'StepPreviews' });
export type StepPreviews = z.infer<typeof stepPreviewsSchema>;
