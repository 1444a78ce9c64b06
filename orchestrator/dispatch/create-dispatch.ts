import type { Clock } from '@karst/shared/clock.ts';
import type { Random } from '@karst/shared/random.ts';
import type { Logger } from 'pino';
import type { SpanSizeLimits } from '../domain/span-size.ts';
import type { JobEvents } from '../jobs/job-events.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { SpanQueue } from '../queue/span-queue.ts';
import { NodeAffinity } from '../scheduler/node-affinity.ts';
import type { Scheduler } from '../scheduler/scheduler.ts';
import type { Shape } from '../scheduler/shape.ts';
import type { FarmSettings } from '../settings/farm-settings.ts';
import type { FarmSurvey } from '../store/farm-survey.ts';
import type { GangStore } from '../store/gang-store.ts';
import type { JobStore } from '../store/job-store.ts';
import type { NodeStore } from '../store/node-store.ts';
import type { PreemptStore } from '../store/preempt-store.ts';
import type { SpanStore } from '../store/span-store.ts';
import { Dispatcher } from './dispatcher.ts';
import { Feeder } from './feeder.ts';
import { Granter } from './granter.ts';
import { Hands } from './hands.ts';
import type { LeaseAccounts } from './lease-accounts.ts';
import { type RunnableStep, RunnableSteps } from './runnable-steps.ts';
import type { UsageExchange } from './usage-exchange.ts';
import { WaitEnds } from './wait-ends.ts';
import { Waiters } from './waiters.ts';
import type { WakeBus } from './wake-bus.ts';

/** Puts the parts of dispatch together. */
export function createDispatch(parts: {
  jobs: JobStore;
  spans: SpanStore;
  nodes: NodeStore;
  preempts: PreemptStore;
  gangs: GangStore;
  survey: FarmSurvey;
  queue: SpanQueue;
  scheduler: Scheduler<RunnableStep>;
  accounts: LeaseAccounts;
  bus: WakeBus;
  usage: UsageExchange;
  settings: FarmSettings;
  events: JobEvents;
  metrics: Metrics;
  clock: Clock;
  random: Random;
  logger: Logger;
  /** Slots of the nodes that suit a shape. */
  slots: (shape: Shape) => number;
  /** Nodes that suit a shape and take work now. */
  suitable: (shape: Shape) => number;
  spanLimits: SpanSizeLimits;
  /** Told of each step that has work from then on. */
  waits: (step: RunnableStep) => void;
}): Dispatcher {
  const { jobs, spans, queue, scheduler, events, logger } = parts;
  const runnable = new RunnableSteps(scheduler, parts.waits);
  const feeder = new Feeder(
    jobs,
    spans,
    queue,
    parts.spanLimits,
    parts.slots,
    () => runnable.size,
    () => hands.takenAtOnce(),
    ({ jobId, step }) => parts.bus.tellOthers({ kind: 'step', jobId, step }),
  );
  const told = (telling: Promise<void>) => {
    telling.catch((error: Error) => logger.warn({ err: error.message }, 'event not sent'));
  };
  const affinity = new NodeAffinity((jobId) => runnable.ofJob(jobId));
  const hands: Hands = new Hands({
    queue,
    random: parts.random,
    leftOver(step) {
      const wake = { kind: 'step', jobId: step.jobId, step: step.step } as const;
      // Of other replicas' calls some may have looked in vain: there is no telling.
      parts.bus.tellOthers(wake);
      const isMissed = step.missed || runnable.get(step.jobId, step.step) === undefined;
      step.missed = false;
      if (isMissed) dispatcher.receive(wake);
    },
  });
  const granter: Granter = new Granter({
    ...parts,
    hands,
    runnable,
    feeder,
    spanTargetMs: parts.spanLimits.targetMs,
    putBack: ({ jobId, step }) => dispatcher.receive({ kind: 'step', jobId, step }),
    suitable: ({ shape }) => parts.suitable(shape),
    leftToOthers: () => dispatcher.lookAgain(),
    jobStarted: ({ jobId }) => told(events.jobChanged(jobId)),
    preferredOn: (nodeId, warm) => affinity.preferred(nodeId, warm),
    granted({ nodeId, warm }, step, grants) {
      affinity.granted(nodeId, warm, step);
      const { jobId } = step;
      for (const { first, last: end } of grants) {
        told(events.tasksChanged(jobId, step.step, first, end, 'running'));
      }
    },
  });
  const dispatcher = new Dispatcher({
    ...parts,
    runnable,
    granter,
    affinity,
    waiters: new Waiters(),
    waitEnds: new WaitEnds(parts.clock),
  });
  return dispatcher;
}
