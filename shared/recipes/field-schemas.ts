import { z } from 'zod';
import { fieldMap } from './field-problems.ts';

/** Text that goes into a template literally: format strings have no escape for double braces. */
const literal = (what: string, max: number) =>
  z
    .string()
    .min(1)
    .max(max)
    .refine((text) => !/\p{Cc}/u.test(text), `${what} without control characters`)
    .refine((text) => !text.includes('{{'), `${what} without "{{"`);

/** A path on the person's machine, relative to the recipe file or absolute. */
export const pathField = literal('a path', 1024);

export const programField = literal('the name of a program', 256);

const oneFrameList = z.union([z.string(), z.int()]);

/** A frame list; a list in YAML is the same as commas. Answers text. */
export const framesField = z
  .union([oneFrameList, z.array(oneFrameList).min(1)], {
    error: 'frames such as 1-240, 1-240x2 or 1,5,9-12',
  })
  .transform((given) => (Array.isArray(given) ? given.join(',') : String(given)));

export const sizeField = z.int().min(1).max(65_536);
export const timeoutField = z.int().min(1).max(31_536_000);
export const threadsField = z.int().min(1).max(1024);
export const fpsField = z.number().min(0.01).max(1000);
export const crfField = z.int().min(0).max(51);

/** Whether first, middle and last frame come first; hold: the rest then waits for a person. */
export const previewField = z
  .union([z.boolean(), z.enum(['go on', 'hold'])], { error: 'true, false, go on or hold' })
  .default(false);

export type Preview = z.infer<typeof previewField>;

/** `movie: true`, or a map to say more. Undefined when there is to be none. */
export const movieField = z
  .preprocess(
    (given) => (given === true ? {} : given === false ? undefined : given),
    fieldMap('a movie', {
      fps: fpsField.default(24),
      crf: crfField.default(18),
      // In the folder of the pictures: a step must write to each folder it is given to write to.
      output: z
        .string()
        .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,200}$/, 'a name of letters, digits, ".", "_" and "-"')
        .optional(),
    }).optional(),
  )
  .optional();

export type Movie = NonNullable<z.infer<typeof movieField>>;
