import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Clock } from '@karst/shared/clock.ts';
import type { FarmFile } from '../connection/farm-files.ts';
import { adminKeyPath } from '../connection/farm-files.ts';
import type { FarmSecrets } from './farm-state.ts';
import { findRedisProgram, isOnPath, redisCommand, redisReady } from './redis.ts';
import type { ProcessCommand, ProcessSpec } from './supervised-process.ts';

/** What the processes of a farm on this machine are started with. */
export interface FarmSettings {
  dir: string;
  farm: FarmFile;
  secrets: FarmSecrets;
  /** Redis of the person's own, instead of a private one. */
  redisUrl: string | undefined;
  /** Of each agent. */
  slots: number;
  env: Readonly<Record<string, string | undefined>>;
  clock: Clock;
}

export const S3_BUCKET = 'karst';
export const S3_REGION = 'us-east-1';
const READY_MS_MAX = 60_000;
const STOP_MS_MAX = 15_000;

/** The entry of a role. The packages are siblings in one checkout; nothing of them is imported. */
export const entryFile = (specifier: string): string =>
  fileURLToPath(import.meta.resolve(specifier));

export const s3Endpoint = ({ s3Port }: FarmFile): string => `http://127.0.0.1:${s3Port}`;

const logFile = (settings: FarmSettings, name: string) =>
  path.join(settings.dir, 'logs', `${name}.log`);

/** Settings that are another role's, or a secret, or ours to give. The rest is for tuning. */
const NOT_INHERITED =
  /^(REDIS_URL|KARST_(API_KEY|URL|ENROLLMENT_|ADMIN_|S3_|HOST|PORT|TLS_|AGENT_DIR|SLOTS|NODE_NAME).*)$/;

/** The surrounding environment (PATH, proxies, tuning), and what this role is told. */
export function roleEnv(
  env: Readonly<Record<string, string | undefined>>,
  told: Record<string, string>,
): NodeJS.ProcessEnv {
  const kept = Object.entries(env).filter(([name]) => !NOT_INHERITED.test(name));
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
    KARST_S3_BUCKETS: S3_BUCKET,
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

/** Where the farm keeps its state: what the orchestrator and the preview worker are told. */
function stateEnv({ farm, secrets, redisUrl }: FarmSettings): Record<string, string> {
  return {
    REDIS_URL: redisUrl ?? `redis://:${secrets.redisPassword}@127.0.0.1:${farm.redisPort}/0`,
    KARST_S3_ENDPOINT: s3Endpoint(farm),
    KARST_S3_REGION: S3_REGION,
    KARST_S3_BUCKET: S3_BUCKET,
    KARST_S3_ACCESS_KEY: secrets.s3AccessKey,
    KARST_S3_SECRET_KEY: secrets.s3SecretKey,
  };
}

export function orchestratorSpec(settings: FarmSettings): ProcessSpec {
  const env = roleEnv(settings.env, {
    KARST_HOST: '127.0.0.1',
    KARST_PORT: String(settings.farm.port),
    KARST_ADMIN_KEY_FILE: adminKeyPath(settings.dir),
    ...stateEnv(settings),
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

/** Undefined where ffmpeg is missing, without which there are no previews. */
export function previewsSpec(settings: FarmSettings): ProcessSpec | undefined {
  const searchPath = settings.env.PATH ?? '';
  if (!['ffmpeg', 'ffprobe'].every((name) => isOnPath(name, searchPath))) {
    return undefined;
  }
  const env = roleEnv(settings.env, stateEnv(settings));
  return {
    title: 'the preview worker',
    logFile: logFile(settings, 'previews'),
    command: async () => nodeCommand('@karst/orchestrator/previews-main.ts', env),
    ready: { event: 'ready' },
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
          KARST_SLOTS: String(settings.slots),
        }),
      ),
    ready: { event: 'ready' },
    readyMsMax: READY_MS_MAX,
    // Draining takes as long as the tasks that run; a second Ctrl-C ends it.
    stopMsMax: undefined,
  };
}
