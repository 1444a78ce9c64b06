import { z } from 'zod';

/** What has to be true of the files that each task of a step writes. Times and sizes: docs/outputs.md. */
export const outputCheckSchema = z
  .strictObject({
    files: z
      .string()
      .min(1)
      .max(800)
      .describe(
        "Which files, by their place in the job's file tree: * ** ? [a-z], {{Param.Name}}, {{Task.Param.Name}}, and #### for a frame's number.",
      ),
    frames: z
      .string()
      .optional()
      .describe(
        "The step's INT or CHUNK[INT] parameter whose every value stands for ####. Default: the only one.",
      ),
    minFiles: z
      .int()
      .min(0)
      .max(10_000)
      .optional()
      .describe('So many files at least, of each frame where there is ####. Default: 1.'),
    minBytes: z
      .int()
      .min(0)
      .optional()
      .describe('So many bytes at least in each of them. Default: 1.'),
    decode: z
      .enum(['none', 'header', 'full'])
      .optional()
      .describe(
        'header (the default): the file is whole as far as its own structure tells. full: every picture and film is decoded besides.',
      ),
    collect: z
      .boolean()
      .optional()
      .describe('Also collected where no OUT or INOUT parameter has its place.'),
  })
  .meta({ id: 'OutputCheck' });
export type OutputCheck = z.infer<typeof outputCheckSchema>;
