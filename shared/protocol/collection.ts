import { z } from 'zod';
import { operator } from './access-kinds.ts';
import { studioIdSchema } from './ids.ts';
import { type Route, route } from './route.ts';

const countedSchema = z.object({ files: z.int().min(0), bytes: z.int().min(0) });

const collectedSchema = z
  .object({
    studio: studioIdSchema,
    unused: countedSchema.describe(
      'Input files that no kept job refers to and nobody asked for within the grace: deleted, or with `dryRun` found.',
    ),
    kept: countedSchema.describe('All others.'),
  })
  .meta({ id: 'Collected' });
export type Collected = z.infer<typeof collectedSchema>;

export const collectionRoutes = {
  collectGarbage: route({
    method: 'post',
    path: '/v1/gc',
    tag: 'settings',
    summary: 'Delete input files of every studio that nobody needs now, or only count them.',
    access: operator,
    body: z.strictObject({ dryRun: z.boolean().default(false) }),
    response: z.object({
      items: z.array(collectedSchema),
      isWhole: z
        .boolean()
        .describe('False: there was not time for everything; the background pass goes on.'),
    }),
    problems: ['conflict'],
  }),
} as const satisfies Record<string, Route>;
