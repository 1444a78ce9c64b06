import type { Clock } from '@karst/shared/clock.ts';
import type { Random } from '@karst/shared/random.ts';
import type { Logger } from 'pino';
import { createApiKeys } from './access/api-keys.ts';
import { createEnrollment } from './access/enrollment.ts';
import { createNodeTokens } from './access/node-tokens.ts';
import type { Config } from './config.ts';
import { HistoryReader } from './history/history-reader.ts';
import { createObjectStore } from './objects/store.ts';
import { PreviewQueue } from './queue/preview-queue.ts';
import { SpanQueue } from './queue/span-queue.ts';
import { FarmSettings } from './settings/farm-settings.ts';
import { AssetTouches } from './store/asset-touches.ts';
import { connect, connectRedis, connectSubscriber } from './store/connection.ts';
import { ControlStore } from './store/control-store.ts';
import { DeletionStore } from './store/deletion-store.ts';
import { createEventBus } from './store/event-bus.ts';
import { ExtensionStore } from './store/extension-store.ts';
import { FarmSurvey } from './store/farm-survey.ts';
import { GangStore } from './store/gang-store.ts';
import { HealthStore } from './store/health-store.ts';
import { HistoryStore } from './store/history-store.ts';
import { JobStore } from './store/job-store.ts';
import { Ledger } from './store/ledger.ts';
import { LiveLogs } from './store/live-log.ts';
import { NodeStore } from './store/node-store.ts';
import { OutputReader } from './store/output-reader.ts';
import { PreemptStore } from './store/preempt-store.ts';
import { PrefetchStore } from './store/prefetch-store.ts';
import { Reachability } from './store/reachability.ts';
import { ReleaseStore } from './store/release-store.ts';
import { SpanStore } from './store/span-store.ts';
import { StorageUseStore } from './store/storage-use-store.ts';
import { SuspiciousStore } from './store/suspicious-store.ts';
import { TaskReader } from './store/task-reader.ts';
import { UsageStore } from './store/usage-store.ts';

/** Where this process's time, chance and words come from. */
export interface Surroundings {
  logger: Logger;
  clock: Clock;
  random: Random;
}

export type Stores = Awaited<ReturnType<typeof buildStores>>;

/** S3 refuses what is signed 15 minutes off. We sign by its clock; other users of it may not. */
const SKEW_MS_MAX = 60_000;

function warnOfSkew(offsetMs: number, logger: Surroundings['logger']): void {
  if (Math.abs(offsetMs) < SKEW_MS_MAX) return;
  const minutes = Math.round(Math.abs(offsetMs) / 60_000);
  const how = offsetMs > 0 ? 'ahead of' : 'behind';
  logger.warn(
    { offsetMs },
    `storage's clock is ${minutes} min ${how} this machine's: set one right`,
  );
}

/**
 * Connects, and builds everything that talks to Redis or S3. Three Redis connections: commands,
 * BullMQ's, and the subscriber (BullMQ adds one that it keeps for blocking reads).
 */
export async function buildStores(config: Config, around: Surroundings) {
  const { logger, clock, random } = around;
  const redis = connectRedis(config.REDIS_URL, logger, 'main');
  const queueRedis = connectRedis(config.REDIS_URL, logger, 'queue');
  const subscriber = connectSubscriber(config.REDIS_URL, logger);
  const reachability = new Reachability(redis, clock);
  const objects = createObjectStore(
    {
      endpoint: config.KARST_S3_ENDPOINT,
      publicEndpoint: config.KARST_S3_PUBLIC_ENDPOINT,
      region: config.KARST_S3_REGION,
      bucket: config.KARST_S3_BUCKET,
      accessKeyId: config.KARST_S3_ACCESS_KEY,
      secretAccessKey: config.KARST_S3_SECRET_KEY,
    },
    clock,
  );
  await Promise.all([redis, queueRedis, subscriber].map(connect));
  await objects.ensureBucket();
  warnOfSkew(objects.clockOffsetMs(), logger);
  const queue = new SpanQueue(queueRedis, clock, logger);
  const previewQueue = new PreviewQueue(queueRedis, clock, logger);
  const eventBus = createEventBus(redis, subscriber, logger);
  const logs = new LiveLogs(redis);
  await logs.start(subscriber);
  const spans = new SpanStore(redis);
  const ledger = new Ledger(redis);
  const settings = new FarmSettings(redis);
  const history = new HistoryReader(redis, objects.getText);
  return {
    redis,
    subscriber,
    reachability,
    objects,
    queue,
    previewQueue,
    suspicious: new SuspiciousStore(redis),
    eventBus,
    logs,
    spans,
    ledger,
    settings,
    jobs: new JobStore(redis),
    control: new ControlStore(redis),
    deletions: new DeletionStore(redis),
    touches: new AssetTouches(redis, config.KARST_ASSET_GRACE_H * 3_600_000),
    storageUse: new StorageUseStore(redis),
    extensions: new ExtensionStore(redis),
    nodes: new NodeStore(redis),
    survey: new FarmSurvey(redis),
    releases: new ReleaseStore(redis),
    health: new HealthStore(redis),
    preempts: new PreemptStore(redis),
    gangs: new GangStore(redis),
    prefetch: new PrefetchStore(redis),
    history,
    historyStore: new HistoryStore(redis),
    usageStore: new UsageStore(redis, config.KARST_SHARE_HALF_LIFE_H * 3_600_000),
    tasks: new TaskReader(redis, spans, history),
    outputs: new OutputReader(redis, history),
    apiKeys: createApiKeys(redis, clock, random),
    enrollment: createEnrollment(redis, clock, random),
    nodeTokens: createNodeTokens(redis, clock),
    async close() {
      await eventBus.close();
      await queue.close();
      await previewQueue.close();
      objects.close();
      redis.disconnect();
      queueRedis.disconnect();
      subscriber.disconnect();
    },
  };
}
