import { z } from 'zod';
import { formatBytes } from '../byte-text.ts';
import { read } from './access-kinds.ts';
import { studioIdSchema } from './ids.ts';
import { type Route, route } from './route.ts';

const storedSchema = z.object({ bytes: z.int().min(0), objects: z.int().min(0) });

export const storageUseSchema = z
  .object({
    studio: studioIdSchema,
    usedBytes: z.int().min(0).describe('All of it.'),
    inputs: storedSchema.describe('Input files.'),
    outputs: storedSchema.describe('What attempts uploaded, and its copy in the view.'),
    other: storedSchema.describe('Previews, logs, manifests, history.'),
    quotaBytes: z
      .int()
      .min(0)
      .optional()
      .describe('Absent: it may store as much as there is room.'),
    countedAt: z.iso
      .datetime()
      .optional()
      .describe(
        'When storage was last counted. What inputs, outputs and deletions have changed since is in the figures. Absent: not counted yet.',
      ),
  })
  .meta({ id: 'StorageUse' });
export type StorageUse = z.infer<typeof storageUseSchema>;

/** Why a studio may not store `neededBytes` more, or with 0 submit anything, in words. */
export function quotaText(
  { studio, usedBytes }: Pick<StorageUse, 'studio' | 'usedBytes'>,
  quotaBytes: number,
  neededBytes: number,
): string {
  const used = `${studio} uses ${formatBytes(usedBytes)} of its quota of ${formatBytes(quotaBytes)}`;
  const needs = neededBytes > 0 ? `${used}, and this needs ${formatBytes(neededBytes)} more` : used;
  return `${needs}. Delete jobs that are done with, or have the quota raised.`;
}

export const storageUseRoutes = {
  getStorageUse: route({
    method: 'get',
    path: '/v1/storage',
    tag: 'files',
    summary: 'How much the studio stores, and how much it may.',
    access: read,
    response: storageUseSchema,
  }),
} as const satisfies Record<string, Route>;
