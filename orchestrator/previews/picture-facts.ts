import { suspicionReasonSchema } from '@karst/shared/protocol/previews.ts';
import { z } from 'zod';

/** What is known of a picture, by its content. */
export const pictureFactsSchema = z.object({
  width: z.int().optional(),
  height: z.int().optional(),
  /** Whether there is a thumbnail, and a frame for the film. */
  hasPreview: z.boolean(),
  problem: z.object({ reason: suspicionReasonSchema, detail: z.string() }).optional(),
  /** Why nothing is known of it. */
  note: z.string().optional(),
});
export type PictureFacts = z.infer<typeof pictureFactsSchema>;
