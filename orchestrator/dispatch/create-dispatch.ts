import type { Clock } from '@karst/shared/clock.ts';
import type { Random } from '@karst/shared/random.ts';
import type { Logger } from 'pino';
import type { SpanSizeLimits } from '../domain/span-size.ts';
import type { JobEvents } from '../jobs/job-events.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { SpanQueue } from '../queue/span-queue.ts';
import type { JobStore } from '../store/job-store.ts';
import type { NodeStore } from '../store/node-store.ts';
import type { SpanStore } from '../store/span-store.ts';
import { Dispatcher } from './dispatcher.ts';
import { Feeder } from './feeder.ts';
import { Granter } from './granter.ts';
import { RunnableSteps } from './runnable-steps.ts';
import { Waiters } from './waiters.ts';

/** Puts the parts of dispatch together. */
export function createDispatch(parts: {
  jobs: JobStore;
  spans: SpanStore;
  nodes: NodeStore;
  queue: SpanQueue;
  events: JobEvents;
  metrics: Metrics;
  clock: Clock;
  random: Random;
  logger: Logger;
  slots: () => number;
  spanLimits: SpanSizeLimits;
}): Dispatcher {
  const { jobs, spans, nodes, queue, events, clock, random, logger } = parts;
  const runnable = new RunnableSteps();
  const feeder = new Feeder(jobs, spans, queue, parts.spanLimits, parts.slots);
  const told = (telling: Promise<void>) => {
    telling.catch((error: Error) => logger.warn({ err: error.message }, 'event not sent'));
  };
  const granter = new Granter({
    runnable,
    feeder,
    queue,
    spans,
    nodes,
    clock,
    random,
    logger,
    jobStarted: ({ jobId }) => told(events.jobChanged(jobId)),
    granted: ({ jobId, step }, grants) => {
      for (const { first, last } of grants) {
        told(events.tasksChanged(jobId, step, first, last, 'running'));
      }
    },
  });
  return new Dispatcher(runnable, new Waiters(), granter, jobs, logger);
}
