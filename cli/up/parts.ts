import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Clock } from '@karst/shared/clock.ts';
import type { FarmFile } from '../connection/farm-files.ts';
import { adminKeyPath } from '../connection/farm-files.ts';
import type { FarmSecrets } from './farm-state.ts';
import { findRedisProgram, redisCommand, redisReady } from './redis.ts';
import type { ProcessCommand, ProcessSpec } from './supervised-process.ts';

/** What the processes of a farm on this machine are started with. */
export interface FarmSettings {
  dir: string;
  farm: FarmFile;
  secrets: FarmSecrets;
  /** Redis of the person's own, instead of a private one. */
  redisUrl: string | undefined;
  slots: number | undefined;
  env: Readonly<Record<string, string | undefined>>;
  clock: Clock;
}

const BUCKET = 'karst';
const READY_MS_MAX = 60_000;
const STOP_MS_MAX = 15_000;

/** The entry of a role. The packages are siblings in one checkout; nothing of them is imported. */
export const entryFile = (specifier: string): string =>
  fileURLToPath(import.meta.resolve(specifier));

const logFile = (settings: FarmSettings, name: string) =>
  path.join(settings.dir, 'logs', `${name}.log`);

/**
 * The surrounding environment (PATH, proxies, locale) without anything that is meant for another role
 * or holds a secret, and with what this role is told.
 */
export function roleEnv(
  env: Readonly<Record<string, string | undefined>>,
  told: Record<string, string>,
): NodeJS.ProcessEnv {
  const kept = Object.entries(env).filter(
    ([name]) => !name.startsWith('KARST_') && name !== 'REDIS_URL',
  );
  return { ...Object.fromEntries(kept), KARST_EXIT_WITH_PARENT: '1', ...told };
}

const nodeCommand = (specifier: string, env: NodeJS.ProcessEnv): ProcessCommand => ({
  program: process.execPath,
  args: [entryFile(specifier)],
  env,
});

export function redisSpec(settings: FarmSettings): ProcessSpec {
  const { env, clock, farm, secrets } = settings;
  const program = findRedisProgram(env.PATH ?? '');
  const redis = {
    dir: path.join(settings.dir, 'redis'),
    port: farm.redisPort,
    password: secrets.redisPassword,
  };
  return {
    title: 'Redis',
    logFile: logFile(settings, 'redis'),
    command: () => redisCommand(program, redis, roleEnv(env, {}), clock),
    ready: { check: (signal) => redisReady(redis, signal) },
    readyMsMax: READY_MS_MAX,
    stopMsMax: STOP_MS_MAX,
  };
}

export function localS3Spec(settings: FarmSettings): ProcessSpec {
  const env = roleEnv(settings.env, {
    KARST_S3_DIR: path.join(settings.dir, 'objects'),
    KARST_S3_PORT: String(settings.farm.s3Port),
    KARST_S3_BUCKETS: BUCKET,
    KARST_S3_ACCESS_KEY: settings.secrets.s3AccessKey,
    KARST_S3_SECRET_KEY: settings.secrets.s3SecretKey,
  });
  return {
    title: 'the local S3 endpoint',
    logFile: logFile(settings, 's3'),
    command: async () => nodeCommand('@karst/orchestrator/local-s3/main.ts', env),
    ready: { event: 'listening' },
    readyMsMax: READY_MS_MAX,
    stopMsMax: STOP_MS_MAX,
  };
}

export function orchestratorSpec(settings: FarmSettings): ProcessSpec {
  const { farm, secrets } = settings;
  const env = roleEnv(settings.env, {
    KARST_HOST: '127.0.0.1',
    KARST_PORT: String(farm.port),
    REDIS_URL:
      settings.redisUrl ?? `redis://:${secrets.redisPassword}@127.0.0.1:${farm.redisPort}/0`,
    KARST_S3_ENDPOINT: `http://127.0.0.1:${farm.s3Port}`,
    KARST_S3_REGION: 'us-east-1',
    KARST_S3_BUCKET: BUCKET,
    KARST_S3_ACCESS_KEY: secrets.s3AccessKey,
    KARST_S3_SECRET_KEY: secrets.s3SecretKey,
    KARST_ADMIN_KEY_FILE: adminKeyPath(settings.dir),
  });
  return {
    title: 'the orchestrator',
    logFile: logFile(settings, 'orchestrator'),
    command: async () => nodeCommand('@karst/orchestrator/main.ts', env),
    ready: { event: 'listening' },
    readyMsMax: READY_MS_MAX,
    stopMsMax: STOP_MS_MAX,
  };
}

/** `token` is asked for at every start: one serves one enrolment, and an enrolled agent needs none. */
export function agentSpec(
  settings: FarmSettings,
  n: number,
  token: () => Promise<string>,
): ProcessSpec {
  const { slots } = settings;
  return {
    title: `agent ${n}`,
    logFile: logFile(settings, `agent-${n}`),
    command: async () =>
      nodeCommand(
        '@karst/agent/main.ts',
        roleEnv(settings.env, {
          KARST_URL: settings.farm.url,
          KARST_AGENT_DIR: path.join(settings.dir, 'agents', String(n)),
          KARST_ENROLLMENT_TOKEN: await token(),
          ...(slots === undefined ? {} : { KARST_SLOTS: String(slots) }),
        }),
      ),
    ready: { event: 'ready' },
    readyMsMax: READY_MS_MAX,
    // Draining takes as long as the tasks that run; a second Ctrl-C ends it.
    stopMsMax: undefined,
  };
}
