import { type PriorityClass, priorityClassSchema } from '@karst/shared/protocol/job.ts';
import { type SuspicionReason, suspicionReasonSchema } from '@karst/shared/protocol/previews.ts';
import { failureKindSchema } from '@karst/shared/protocol/task.ts';
import type { Logger } from 'pino';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { type StorageKind, storageKinds } from '../domain/storage-totals.ts';
import { type PreemptReason, preemptReasonSchema } from '../store/preempt-record.ts';

const attemptOutcomes = [
  'succeeded',
  'failed',
  'lost',
  'returned',
  'preempted',
  'canceled',
] as const;
const taskStates = ['waiting', 'running', 'succeeded', 'failed', 'canceled'] as const;
const jobStates = ['pending', 'running', 'paused', 'succeeded', 'failed', 'canceled'] as const;
const nodeStates = ['online', 'draining', 'quarantined', 'offline'] as const;
const gpuStates = ['busy', 'idle', 'offline'] as const;
const failureReasons = failureKindSchema.options;
const directions = ['input', 'output', 'log'] as const;
const gpuOutcomes = ['succeeded', 'failed', 'lost'] as const;

export type AttemptOutcome = (typeof attemptOutcomes)[number];
export type AttemptReason = (typeof failureReasons)[number] | 'none';

/** The farm as a scrape sees it: numbers by state. What is left out keeps its last value. */
export interface FarmGauges {
  tasks?: Partial<Record<(typeof taskStates)[number], number>>;
  jobs?: Partial<Record<(typeof jobStates)[number], number>>;
  nodes?: Partial<Record<(typeof nodeStates)[number], number>>;
  gpus?: Partial<Record<(typeof gpuStates)[number], number>>;
  /** Seconds since 1970 of the last sync, by node id. Nodes left out are forgotten. */
  nodeLastHeartbeatSeconds?: ReadonlyMap<string, number>;
  /** Suspicious frames ever found on this farm, by reason: every replica tells the same. */
  suspiciousFrames?: Readonly<Record<SuspicionReason, number>>;
  /** What all studios store, by kind. */
  storageBytes?: Readonly<Record<StorageKind, number>>;
  redisUp: boolean;
}

/** What the orchestrator tells Prometheus. No job, task, user or frame ever is a label. */
export interface Metrics {
  httpRequest(route: string, method: string, status: number, durationMs: number): void;
  attemptEnded(outcome: AttemptOutcome, reason: AttemptReason, tasks?: number): void;
  taskQueueWait(ms: number): void;
  taskRun(ms: number): void;
  /** From a task being ready (or its node waiting) to its grant. */
  dispatch(ms: number): void;
  leasesExpired(count: number): void;
  /** A node was quarantined, or again on probation. */
  nodeQuarantined(): void;
  attemptsFenced(count: number): void;
  /** A lease of this class ended early for work that goes before it. */
  preempted(priorityClass: PriorityClass, reason: PreemptReason): void;
  gpuSeconds(outcome: (typeof gpuOutcomes)[number], seconds: number): void;
  stageBytes(direction: (typeof directions)[number], bytes: number): void;
  outputPublishConflict(): void;
  /** From a cancel request to the node's confirmation. */
  cancel(ms: number): void;
  /** A background pass succeeded at `nowMs`. */
  passSucceeded(pass: string, nowMs: number): void;
  /** The exposition text, gauges freshly collected. */
  text(): Promise<{ contentType: string; body: string }>;
}

export interface MetricsOptions {
  version: string;
  revision?: string;
  /** Names of background passes, so that their series exist from the start. */
  passes?: readonly string[];
  /** Called on each scrape. When it fails, gauges keep their values and `redis_up` is 0. */
  collect: () => Promise<FarmGauges>;
  logger: Logger;
}

const REQUEST_SECONDS = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 30, 60,
];
const DISPATCH_SECONDS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 120];
const WAIT_SECONDS = [0.1, 1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 12 * 3600, 24 * 3600];
const RUN_SECONDS = [0.05, 0.25, 1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 12 * 3600, 24 * 3600];
const CANCEL_SECONDS = [0.1, 0.5, 1, 2, 5, 10, 30, 60, 120];

export function createMetrics(options: MetricsOptions): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, prefix: 'karst_' });
  const series = createSeries(registry, options);
  const gauges = createGauges(registry);
  // Hashing three labels for each request would cost more than the rest of the timing.
  const requests = new Map<string, { observe(seconds: number): void }>();
  return {
    httpRequest(route, method, status, durationMs) {
      const name = `${method} ${status} ${route}`;
      let request = requests.get(name);
      if (request === undefined) {
        request = series.requests.labels({ route, method, code: String(status) });
        requests.set(name, request);
      }
      request.observe(durationMs / 1000);
    },
    attemptEnded: (outcome, reason, tasks = 1) => series.attempts.inc({ outcome, reason }, tasks),
    taskQueueWait: (ms) => series.queueWait.observe(ms / 1000),
    taskRun: (ms) => series.run.observe(ms / 1000),
    dispatch: (ms) => series.dispatch.observe(ms / 1000),
    nodeQuarantined: () => series.quarantines.inc(),
    leasesExpired: (count) => series.expired.inc(count),
    attemptsFenced: (count) => series.fenced.inc(count),
    preempted: (priorityClass, reason) => series.preemptions.inc({ class: priorityClass, reason }),
    gpuSeconds: (outcome, seconds) => series.gpuSeconds.inc({ outcome }, seconds),
    stageBytes: (direction, bytes) => series.stageBytes.inc({ direction }, bytes),
    outputPublishConflict: () => series.conflicts.inc(),
    cancel: (ms) => series.cancel.observe(ms / 1000),
    passSucceeded: (pass, nowMs) => series.passes.set({ pass }, nowMs / 1000),
    async text() {
      try {
        gauges(await options.collect());
      } catch (error) {
        // A farm without its store must still be seen.
        options.logger.warn({ err: error }, 'gauges could not be collected');
        gauges({ redisUp: false });
      }
      return { contentType: registry.contentType, body: await registry.metrics() };
    },
  };
}

/** Names, prefixes and registers metrics of one registry. */
const makersOf = (registry: Registry) => {
  const registers = [registry];
  return {
    counter: <L extends string>(name: string, help: string, labelNames: readonly L[] = []) =>
      new Counter({ name: `karst_${name}`, help, labelNames, registers }),
    gauge: <L extends string>(name: string, help: string, labelNames: readonly L[] = []) =>
      new Gauge({ name: `karst_${name}`, help, labelNames, registers }),
    histogram: <L extends string>(
      name: string,
      help: string,
      buckets: number[],
      labelNames: readonly L[] = [],
    ) => new Histogram({ name: `karst_${name}`, help, labelNames, buckets, registers }),
  };
};

/** What the orchestrator counts itself; every known series starts at 0. */
function createSeries(registry: Registry, options: MetricsOptions) {
  const { counter, gauge, histogram } = makersOf(registry);
  const attempts = counter('task_attempts_total', 'Task attempts that ended.', [
    'outcome',
    'reason',
  ]);
  const expired = counter(
    'leases_expired_total',
    'Leases taken back from nodes past their deadline.',
  );
  const quarantines = counter('node_quarantines_total', 'Times a node was quarantined.');
  const fenced = counter('attempts_fenced_total', 'Reports refused because their lease was lost.');
  const preemptions = counter(
    'preemptions_total',
    'Leases ended early for work that goes before them, by their class.',
    ['class', 'reason'],
  );
  const gpuSeconds = counter('gpu_seconds_total', 'GPU time by how it ended.', ['outcome']);
  const stageBytes = counter('stage_bytes_total', 'Bytes moved for tasks.', ['direction']);
  const conflicts = counter('output_publish_conflicts_total', 'Outputs refused by the view.');
  const queueWait = histogram('task_queue_wait_seconds', 'From ready to granted.', WAIT_SECONDS);
  const run = histogram('task_run_seconds', 'Run time of finished tasks.', RUN_SECONDS);
  const dispatch = histogram('dispatch_seconds', 'How long a grant took.', DISPATCH_SECONDS);
  const cancel = histogram('cancel_seconds', 'From cancel to the node’s word.', CANCEL_SECONDS);
  const passes = gauge(
    'reconciler_last_success_timestamp_seconds',
    'When each background pass last succeeded.',
    ['pass'],
  );
  const requests = histogram(
    'http_request_duration_seconds',
    'Requests, long polls included.',
    REQUEST_SECONDS,
    ['route', 'method', 'code'],
  );
  gauge('build_info', 'Always 1; the labels tell.', ['version', 'revision']).set(
    { version: options.version, revision: options.revision ?? 'unknown' },
    1,
  );

  for (const outcome of attemptOutcomes) {
    const reasons = outcome === 'failed' ? failureReasons : (['none'] as const);
    for (const reason of reasons) attempts.inc({ outcome, reason }, 0);
  }
  for (const priorityClass of priorityClassSchema.options) {
    for (const reason of preemptReasonSchema.options) {
      preemptions.inc({ class: priorityClass, reason }, 0);
    }
  }
  for (const direction of directions) stageBytes.inc({ direction }, 0);
  for (const outcome of gpuOutcomes) gpuSeconds.inc({ outcome }, 0);
  for (const pass of options.passes ?? []) passes.set({ pass }, 0);
  return {
    attempts,
    expired,
    quarantines,
    fenced,
    preemptions,
    gpuSeconds,
    stageBytes,
    conflicts,
    queueWait,
    run,
    dispatch,
    cancel,
    passes,
    requests,
  };
}

/** The gauges that a scrape fills, 0 until then. */
function createGauges(registry: Registry): (farm: FarmGauges) => void {
  const { counter, gauge } = makersOf(registry);
  const byState = {
    tasks: gauge('tasks', 'Tasks of jobs that are not archived, by state.', ['state']),
    jobs: gauge('jobs', 'Jobs by state.', ['state']),
    nodes: gauge('nodes', 'Enrolled nodes by state.', ['state']),
    gpus: gauge('gpus', 'GPUs of enrolled nodes by state.', ['state']),
  };
  for (const state of taskStates) byState.tasks.set({ state }, 0);
  for (const state of jobStates) byState.jobs.set({ state }, 0);
  for (const state of nodeStates) byState.nodes.set({ state }, 0);
  for (const state of gpuStates) byState.gpus.set({ state }, 0);
  const heartbeat = gauge('node_last_heartbeat_timestamp_seconds', 'When each node last synced.', [
    'node',
  ]);
  const suspicious = counter('suspicious_frames_total', 'Pictures found to look at, farm-wide.', [
    'reason',
  ]);
  for (const reason of suspicionReasonSchema.options) suspicious.inc({ reason }, 0);
  const storage = gauge('storage_bytes', 'What all studios store, by what it is.', ['kind']);
  for (const kind of storageKinds) storage.set({ kind }, 0);
  const redisUp = gauge('redis_up', 'Whether Redis answers.');
  return (farm) => {
    for (const noun of ['tasks', 'jobs', 'nodes', 'gpus'] as const) {
      for (const [state, value] of Object.entries(farm[noun] ?? {})) {
        byState[noun].set({ state }, value);
      }
    }
    if (farm.nodeLastHeartbeatSeconds !== undefined) {
      heartbeat.reset();
      for (const [node, seconds] of farm.nodeLastHeartbeatSeconds) heartbeat.set({ node }, seconds);
    }
    if (farm.suspiciousFrames !== undefined) {
      // Counted in Redis by who looks at pictures; a registry's counter can only be added to.
      suspicious.reset();
      for (const [reason, count] of Object.entries(farm.suspiciousFrames)) {
        suspicious.inc({ reason }, count);
      }
    }
    for (const [kind, bytes] of Object.entries(farm.storageBytes ?? {})) {
      storage.set({ kind }, bytes);
    }
    redisUp.set(farm.redisUp ? 1 : 0);
  };
}
