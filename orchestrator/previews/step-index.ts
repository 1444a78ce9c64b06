import { z } from 'zod';

const pixels = { width: z.int(), height: z.int() };

/** index.json of a step's previews: what was made when it had ended, at that time. */
export const stepIndexSchema = z.object({
  endedAtMs: z.number(),
  contactSheet: z.object({ name: z.string(), ...pixels, pictures: z.int() }).optional(),
  movies: z.array(
    z.object({
      name: z.string(),
      ...pixels,
      pattern: z.string(),
      first: z.int(),
      last: z.int(),
      frames: z.int(),
      fps: z.number(),
      sizeBytes: z.int(),
    }),
  ),
});
export type StepIndex = z.infer<typeof stepIndexSchema>;

/** Objects of the step's prefix that the index names. */
export const namesOf = ({ contactSheet, movies }: StepIndex): string[] => [
  ...(contactSheet === undefined ? [] : [contactSheet.name]),
  ...movies.map(({ name }) => name),
];
