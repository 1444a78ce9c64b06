import { availableParallelism } from 'node:os';
import { z } from 'zod';
import { flag, storageSettings } from './config.ts';

/** Every setting of `karst preview-worker`, read from the environment by previews-main.ts alone. */
const previewsConfigSchema = z.object({
  ...storageSettings,
  PATH: z.string().default('/usr/bin:/bin'),
  /** Pictures decoded at once. */
  KARST_PREVIEW_CONCURRENCY: z.coerce
    .number()
    .int()
    .min(1)
    .max(256)
    .default(Math.max(1, Math.floor(availableParallelism() / 4))),
  KARST_PREVIEW_TIMEOUT_MS: z.coerce.number().int().min(100).default(60_000),
  KARST_PREVIEW_PIXELS_MAX: z.coerce.number().int().min(1).default(80_000_000),
  KARST_PREVIEW_BYTES_MAX: z.coerce
    .number()
    .int()
    .min(1)
    .default(2 ** 30),
  KARST_LOG_LEVEL: z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info'),
  KARST_EXIT_WITH_PARENT: flag,
});
export type PreviewsConfig = z.infer<typeof previewsConfigSchema>;

/** Parses the environment; throws an Error whose message names every wrong variable. */
export function parsePreviewsConfig(env: Record<string, string | undefined>): PreviewsConfig {
  const parsed = previewsConfigSchema.safeParse(env);
  if (parsed.success) return parsed.data;
  const lines = parsed.error.issues.map((issue) => `  ${issue.path.join('.')}: ${issue.message}`);
  throw new Error(`the configuration is not valid:\n${lines.join('\n')}`);
}
