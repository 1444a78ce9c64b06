import { z } from 'zod';

export const flag = z
  .enum(['0', '1', ''])
  .default('0')
  .transform((text) => text === '1');
const milliseconds = z.coerce.number().int().min(100);

/** Where state is kept: settings of every role that reaches it. */
export const storageSettings = {
  REDIS_URL: z.string().default('redis://127.0.0.1:6379'),
  KARST_S3_ENDPOINT: z.url('expected the URL of an S3 endpoint'),
  /** Where agents and clients reach the same endpoint, if elsewhere. */
  KARST_S3_PUBLIC_ENDPOINT: z.url().optional(),
  KARST_S3_REGION: z.string().default('us-east-1'),
  KARST_S3_BUCKET: z.string().min(3),
  KARST_S3_ACCESS_KEY: z.string().min(1),
  KARST_S3_SECRET_KEY: z.string().min(1),
};

/** Every setting of `karst serve`, read from the environment by main.ts alone. */
const configSchema = z
  .object({
    KARST_HOST: z.string().default('127.0.0.1'),
    KARST_PORT: z.coerce.number().int().min(0).max(65_535).default(7420),
    KARST_TLS_KEY_FILE: z.string().optional(),
    KARST_TLS_CERT_FILE: z.string().optional(),
    KARST_ALLOW_INSECURE_BIND: flag,
    ...storageSettings,
    KARST_ADMIN_KEY_FILE: z.string().optional(),
    KARST_NODE_LIVENESS_MS: milliseconds.default(30_000),
    KARST_RECONCILE_MS: milliseconds.default(5_000),
    KARST_SPAN_TARGET_MS: milliseconds.default(30_000),
    KARST_SPAN_TASKS_MAX: z.coerce.number().int().min(1).max(1000).default(500),
    KARST_SLOW_TASK_MS: milliseconds.default(60_000),
    KARST_SHARE_HALF_LIFE_H: z.coerce.number().min(0.01).max(100_000).default(24),
    /** Input files that no job refers to are kept for so long after they were last asked for. */
    KARST_ASSET_GRACE_H: z.coerce.number().min(4).max(10_000).default(24),
    KARST_QUARANTINE_JOBS: z.coerce.number().int().min(0).max(20).default(3),
    KARST_QUARANTINE_FAULTS: z.coerce.number().int().min(2).max(20).default(5),
    KARST_QUARANTINE_WINDOW_MS: milliseconds.default(30 * 60_000),
    KARST_QUARANTINE_MS: milliseconds.default(10 * 60_000),
    KARST_QUARANTINE_MS_MAX: milliseconds.default(4 * 3_600_000),
    KARST_PREEMPT_AFTER_MS: z.coerce.number().int().min(0).default(10_000),
    KARST_PREEMPT_MIN_RUN_MS: z.coerce.number().int().min(0).default(0),
    KARST_JOB_TASKS_MAX: z.coerce.number().int().min(1).max(100_000_000).default(1_000_000),
    KARST_LOG_LEVEL: z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info'),
    KARST_EXIT_WITH_PARENT: flag,
  })
  .refine(
    (config) =>
      (config.KARST_TLS_KEY_FILE === undefined) === (config.KARST_TLS_CERT_FILE === undefined),
    {
      message: 'expected both a TLS key and a certificate, or neither',
      path: ['KARST_TLS_KEY_FILE'],
    },
  );
export type Config = z.infer<typeof configSchema>;

/** Parses the environment; throws an Error whose message names every wrong variable. */
export function parseConfig(env: Record<string, string | undefined>): Config {
  const parsed = configSchema.safeParse(env);
  if (parsed.success) return parsed.data;
  const lines = parsed.error.issues.map((issue) => `  ${issue.path.join('.')}: ${issue.message}`);
  throw new Error(`the configuration is not valid:\n${lines.join('\n')}`);
}
