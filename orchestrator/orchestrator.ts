import { type Clock, systemClock } from '@karst/shared/clock.ts';
import { type Random, systemRandom } from '@karst/shared/random.ts';
import type { Logger } from 'pino';
import { createApiKeys } from './access/api-keys.ts';
import { createAuthenticate } from './access/authenticate.ts';
import { ensureAdminKey } from './access/bootstrap.ts';
import { createEnrollment } from './access/enrollment.ts';
import { createNodeTokens } from './access/node-tokens.ts';
import { expireNodesPass } from './background/expire-nodes.ts';
import { PassDriver } from './background/pass.ts';
import { publishOutputsPass } from './background/publish-outputs.ts';
import { reconcilePass } from './background/reconcile.ts';
import type { Config } from './config.ts';
import { createDispatch } from './dispatch/create-dispatch.ts';
import { WakeBus } from './dispatch/wake-bus.ts';
import { createApp } from './http/app.ts';
import type { Handlers } from './http/handler.ts';
import { assetHandlers } from './http/resources/assets.ts';
import { eventHandlers } from './http/resources/events.ts';
import { jobControlHandlers } from './http/resources/job-control.ts';
import { jobHandlers } from './http/resources/jobs.ts';
import { keyHandlers } from './http/resources/keys.ts';
import { leaseHandlers } from './http/resources/leases.ts';
import { nodeHandlers } from './http/resources/nodes.ts';
import { enrollHandlers } from './http/resources/nodes-enroll.ts';
import { outputHandlers } from './http/resources/outputs.ts';
import { serviceHandlers } from './http/resources/service.ts';
import { syncHandlers } from './http/resources/sync.ts';
import { taskLogHandlers } from './http/resources/task-log.ts';
import { taskHandlers } from './http/resources/tasks.ts';
import { startServer } from './http/server.ts';
import { Aftermath } from './jobs/aftermath.ts';
import { JobEvents } from './jobs/job-events.ts';
import { JobInputs } from './jobs/job-inputs.ts';
import { farmGauges } from './metrics/farm-gauges.ts';
import { createMetrics } from './metrics/metrics.ts';
import { createObjectStore } from './objects/store.ts';
import { SpanQueue } from './queue/span-queue.ts';
import { connectRedis } from './store/connection.ts';
import { ControlStore } from './store/control-store.ts';
import { createEventBus } from './store/event-bus.ts';
import { JobStore } from './store/job-store.ts';
import { keys } from './store/keys.ts';
import { LiveLogs } from './store/live-log.ts';
import { NodeStore } from './store/node-store.ts';
import { OutputReader } from './store/output-reader.ts';
import { Reachability } from './store/reachability.ts';
import { SpanStore } from './store/span-store.ts';
import { TaskReader } from './store/task-reader.ts';
import { LeaseExpiry } from './sync/lease-expiry.ts';
import { NodeRoster } from './sync/node-roster.ts';
import { ReportService } from './sync/report-service.ts';
import { SyncService } from './sync/sync-service.ts';

export const VERSION = '0.1.0';

export interface RunningOrchestrator {
  url: string;
  /** Graceful end: parked calls answer, requests finish, passes stop. */
  stop(): Promise<void>;
}

/** Everything that talks to Redis or S3, built once. */
function buildStores(config: Config, logger: Logger, clock: Clock, random: Random) {
  const redis = connectRedis(config.REDIS_URL, logger, 'main');
  const queueRedis = connectRedis(config.REDIS_URL, logger, 'queue');
  const subscriber = connectRedis(config.REDIS_URL, logger, 'subscriber');
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
  const spans = new SpanStore(redis);
  return {
    redis,
    queueRedis,
    subscriber,
    objects,
    spans,
    jobs: new JobStore(redis),
    control: new ControlStore(redis),
    nodes: new NodeStore(redis),
    tasks: new TaskReader(redis, spans),
    outputs: new OutputReader(redis),
    logs: new LiveLogs(redis),
    apiKeys: createApiKeys(redis, clock, random),
    enrollment: createEnrollment(redis, clock, random),
    nodeTokens: createNodeTokens(redis, clock),
    reachability: new Reachability(redis, clock),
  };
}

/** Starts one replica: connects, listens, starts the background passes. */
export async function startOrchestrator(
  config: Config,
  logger: Logger,
  clock: Clock = systemClock,
  random: Random = systemRandom,
): Promise<RunningOrchestrator> {
  const livenessMs = config.KARST_NODE_LIVENESS_MS;
  const stores = buildStores(config, logger, clock, random);
  const { redis, queueRedis, subscriber, objects, spans, jobs, control, nodes } = stores;
  await Promise.all([redis.connect(), queueRedis.connect(), subscriber.connect()]);
  await objects.ensureBucket();
  if (config.KARST_ADMIN_KEY_FILE !== undefined) {
    await ensureAdminKey(stores.apiKeys, random, config.KARST_ADMIN_KEY_FILE);
  }

  const shutdown = new AbortController();
  const passes = ['expire-nodes', 'publish-outputs', 'reconcile'];
  const gauges = farmGauges(redis, jobs, nodes, clock);
  const metrics = createMetrics({ version: VERSION, passes, collect: gauges, logger });
  const queue = new SpanQueue(queueRedis, clock, logger);
  const bus = new WakeBus(redis, subscriber, random.uuid(), logger);
  const eventBus = createEventBus(redis, subscriber, logger);
  const events = new JobEvents(jobs, eventBus);
  const parts = { redis, queue, nodes, bus, events, clock, logger, spans, jobs, metrics, objects };
  const aftermath = new Aftermath(parts);
  const roster = new NodeRoster(nodes, clock, livenessMs);
  const dispatcher = createDispatch({
    ...parts,
    random,
    slots: () => roster.slots(),
    spanLimits: { targetMs: config.KARST_SPAN_TARGET_MS, tasksMax: config.KARST_SPAN_TASKS_MAX },
  });
  const driver = new PassDriver(clock, metrics, logger);
  const expiry = new LeaseExpiry({ ...parts, aftermath });
  const reports = new ReportService({
    ...parts,
    aftermath,
    listForPublishing: async (jobId) => {
      await redis.sadd(keys.publishingJobs(), jobId);
    },
    outputsAccepted: () => driver.nudge('publish-outputs'),
  });
  const sync = new SyncService({ ...parts, reports, dispatcher, roster, expiry, livenessMs });
  const inputs = new JobInputs(objects, stores.outputs);
  const tasksPerJobMax = config.KARST_JOB_TASKS_MAX;
  const spanTasksMax = config.KARST_SPAN_TASKS_MAX;

  const handlers: Handlers = {
    ...jobHandlers({ ...parts, random, submit: { ...parts, aftermath, tasksPerJobMax } }),
    ...jobControlHandlers({ jobs, control, aftermath, spanTasksMax }),
    ...taskHandlers({ jobs, tasks: stores.tasks, control, aftermath }),
    ...taskLogHandlers({ ...parts, tasks: stores.tasks, logs: stores.logs }),
    ...outputHandlers({ ...parts, outputs: stores.outputs }),
    ...nodeHandlers(nodes, bus, clock),
    ...syncHandlers(sync),
    ...leaseHandlers({ ...parts, inputs, logs: stores.logs }),
    ...assetHandlers(objects),
    ...eventHandlers(eventBus),
    ...keyHandlers(stores.apiKeys),
    ...enrollHandlers(stores.enrollment),
    ...serviceHandlers({ redis, objects, metrics, logger, shutdown: shutdown.signal }),
  };
  const app = createApp({
    handlers,
    authenticate: createAuthenticate(stores.apiKeys, stores.nodeTokens),
    metrics,
    logger,
    clock,
    random,
    shutdown: shutdown.signal,
  });

  await bus.start((wake) => dispatcher.receive(wake));
  await stores.logs.start(subscriber);
  const server = await startServer(
    app,
    {
      host: config.KARST_HOST,
      port: config.KARST_PORT,
      tls:
        config.KARST_TLS_KEY_FILE === undefined || config.KARST_TLS_CERT_FILE === undefined
          ? undefined
          : { keyFile: config.KARST_TLS_KEY_FILE, certFile: config.KARST_TLS_CERT_FILE },
      allowInsecureBind: config.KARST_ALLOW_INSECURE_BIND,
    },
    shutdown,
    logger,
  );
  const { reachability } = stores;
  driver.start(reconcilePass({ ...parts, dispatcher, periodMs: config.KARST_RECONCILE_MS }));
  driver.start(publishOutputsPass({ ...parts, random, periodMs: 2 * config.KARST_RECONCILE_MS }));
  driver.start(
    expireNodesPass({
      ...parts,
      expiry,
      roster,
      livenessMs,
      reachableSinceMs: () => reachability.sinceMs(),
    }),
  );
  return {
    url: server.url,
    async stop() {
      await server.close();
      await driver.stop();
      aftermath.close();
      await eventBus.close();
      await queue.close();
      objects.close();
      redis.disconnect();
      queueRedis.disconnect();
      subscriber.disconnect();
    },
  };
}
