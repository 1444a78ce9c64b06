import { type ApiKeys, createApiKeys } from '@karst/orchestrator/access/api-keys.ts';
import { createAuthenticate } from '@karst/orchestrator/access/authenticate.ts';
import { createEnrollment } from '@karst/orchestrator/access/enrollment.ts';
import { createNodeTokens } from '@karst/orchestrator/access/node-tokens.ts';
import { createApp } from '@karst/orchestrator/http/app.ts';
import { type Handlers, ProblemError } from '@karst/orchestrator/http/handler.ts';
import { assetHandlers } from '@karst/orchestrator/http/resources/assets.ts';
import { eventHandlers } from '@karst/orchestrator/http/resources/events.ts';
import { keyHandlers } from '@karst/orchestrator/http/resources/keys.ts';
import { enrollHandlers } from '@karst/orchestrator/http/resources/nodes-enroll.ts';
import { serviceHandlers } from '@karst/orchestrator/http/resources/service.ts';
import { type RunningServer, startServer } from '@karst/orchestrator/http/server.ts';
import { AssetPresence } from '@karst/orchestrator/jobs/asset-presence.ts';
import { StorageQuota } from '@karst/orchestrator/jobs/storage-quota.ts';
import { createMetrics } from '@karst/orchestrator/metrics/metrics.ts';
import { createObjectStore, type ObjectStore } from '@karst/orchestrator/objects/store.ts';
import { FarmSettings } from '@karst/orchestrator/settings/farm-settings.ts';
import { AssetTouches } from '@karst/orchestrator/store/asset-touches.ts';
import { createEventBus, type EventBus } from '@karst/orchestrator/store/event-bus.ts';
import { StorageUseStore } from '@karst/orchestrator/store/storage-use-store.ts';
import { systemClock } from '@karst/shared/clock.ts';
import type { Role } from '@karst/shared/protocol/access.ts';
import { studioIdSchema } from '@karst/shared/protocol/ids.ts';
import { systemRandom } from '@karst/shared/random.ts';
import type { Redis } from 'ioredis';
import { type Logger, pino } from 'pino';
import { startObjectStorage } from '../support/storage.ts';
import { RedisProcess } from './redis-process.ts';

export const logger: Logger = pino({ level: 'silent' });

/** Storage of the test file's own, with its bucket. */
export async function startStorage(start = startObjectStorage) {
  const { stop, ...server } = await start();
  const config = { ...server, region: 'us-east-1' };
  const objects = createObjectStore(config);
  await objects.ensureBucket();
  return {
    objects,
    config,
    async close() {
      objects.close();
      await stop();
    },
  };
}

/** What the routes that need a whole farm answer here: that their handler was reached. */
export const REACHED = 'the handler was reached';
const reached = async (): Promise<never> => {
  throw new ProblemError('not_found', REACHED);
};
const farmHandlers = {
  submitJob: reached,
  listJobs: reached,
  getJob: reached,
  explainJob: reached,
  setJob: reached,
  cancelJob: reached,
  deleteJob: reached,
  pauseJob: reached,
  resumeJob: reached,
  retryJob: reached,
  listSteps: reached,
  listTasks: reached,
  getTask: reached,
  addTasks: reached,
  releaseStep: reached,
  requeueTask: reached,
  getTaskLog: reached,
  listOutputs: reached,
  zipOutputs: reached,
  listSuspiciousFrames: reached,
  getStepPreviews: reached,
  getPreviewPicture: reached,
  getPreviewMovie: reached,
  listNodes: reached,
  getNode: reached,
  explainNode: reached,
  setNode: reached,
  drainNode: reached,
  undrainNode: reached,
  restoreNode: reached,
  getOwnShare: reached,
  getStorageUse: reached,
  listShares: reached,
  setStudioShare: reached,
  deleteStudioShare: reached,
  setProjectShare: reached,
  deleteProjectShare: reached,
  collectGarbage: reached,
  listStorageSettings: reached,
  setStudioStorage: reached,
  deleteStudioStorage: reached,
  setProjectStorage: reached,
  deleteProjectStorage: reached,
  listLimits: reached,
  setLimit: reached,
  setLimitUse: reached,
  deleteLimit: reached,
  listPools: reached,
  setPool: reached,
  deletePool: reached,
  syncNode: reached,
  getLeaseDefinition: reached,
  listLeaseInputs: reached,
  listPrefetchInputs: reached,
  createLeaseUploads: reached,
  completeLeaseUpload: reached,
  appendLiveLog: reached,
};

export interface Replica {
  url: string;
  redis: Redis;
  bus: EventBus;
  apiKeys: ApiKeys;
  shutdown: AbortController;
  server: RunningServer;
  close(): Promise<void>;
}

/** One orchestrator's HTTP side. Several may share a Redis. */
export async function startReplica(
  redisProcess: RedisProcess,
  objects: ObjectStore,
  overrides: Partial<Handlers> = {},
): Promise<Replica> {
  const redis = redisProcess.client({ commandTimeout: 1000 });
  const apiKeys = createApiKeys(redis, systemClock, systemRandom);
  const enrollment = createEnrollment(redis, systemClock, systemRandom);
  const storageUse = new StorageUseStore(redis);
  const bus = createEventBus(redis, redisProcess.client(), logger);
  const shutdown = new AbortController();
  const metrics = createMetrics({
    version: 'test',
    collect: async () => ({ redisUp: (await redis.ping()) === 'PONG' }),
    logger,
  });
  const app = createApp({
    handlers: {
      ...farmHandlers,
      ...keyHandlers(apiKeys),
      ...enrollHandlers(enrollment),
      ...assetHandlers({
        objects,
        presence: new AssetPresence({
          objects,
          touches: new AssetTouches(redis, 86_400_000),
          clock: systemClock,
        }),
        storageUse,
        quota: new StorageQuota({ storageUse, settings: new FarmSettings(redis) }),
      }),
      ...eventHandlers(bus),
      ...serviceHandlers({ redis, objects, metrics, logger, shutdown: shutdown.signal }),
      ...overrides,
    },
    authenticate: createAuthenticate(apiKeys, createNodeTokens(redis, systemClock)),
    logger,
    metrics,
    clock: systemClock,
    random: systemRandom,
    shutdown: shutdown.signal,
    validateResponses: true,
  });
  const server = await startServer(app, { host: '127.0.0.1', port: 0 }, shutdown, logger);
  return {
    url: server.url,
    redis,
    bus,
    apiKeys,
    shutdown,
    server,
    async close() {
      await server.close();
      await bus.close();
    },
  };
}

export interface TestFarm extends Replica {
  redisProcess: RedisProcess;
  objects: ObjectStore;
  keyOf(role: Role, studio?: string): Promise<string>;
}

export async function startFarm(overrides: Partial<Handlers> = {}): Promise<TestFarm> {
  const redisProcess = await RedisProcess.start();
  const storage = await startStorage();
  const replica = await startReplica(redisProcess, storage.objects, overrides);
  return {
    ...replica,
    redisProcess,
    objects: storage.objects,
    async keyOf(role, studio = 'pixels') {
      const owner = { studio: studioIdSchema.parse(studio), role, note: '' };
      return (await replica.apiKeys.create(owner)).text;
    },
    async close() {
      await replica.close();
      await storage.close();
      await redisProcess.stop();
    },
  };
}
