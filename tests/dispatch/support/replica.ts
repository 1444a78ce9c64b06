import { createDispatch } from '@karst/orchestrator/dispatch/create-dispatch.ts';
import type { Dispatcher } from '@karst/orchestrator/dispatch/dispatcher.ts';
import { LeaseAccounts } from '@karst/orchestrator/dispatch/lease-accounts.ts';
import type { RunnableStep } from '@karst/orchestrator/dispatch/runnable-steps.ts';
import { UsageExchange } from '@karst/orchestrator/dispatch/usage-exchange.ts';
import { WakeBus } from '@karst/orchestrator/dispatch/wake-bus.ts';
import { JobEvents } from '@karst/orchestrator/jobs/job-events.ts';
import { createMetrics } from '@karst/orchestrator/metrics/metrics.ts';
import { SpanQueue } from '@karst/orchestrator/queue/span-queue.ts';
import { Budgets } from '@karst/orchestrator/scheduler/budgets.ts';
import { Scheduler } from '@karst/orchestrator/scheduler/scheduler.ts';
import { Shares } from '@karst/orchestrator/scheduler/shares.ts';
import { FarmSettings } from '@karst/orchestrator/settings/farm-settings.ts';
import { FarmSurvey } from '@karst/orchestrator/store/farm-survey.ts';
import { GangStore } from '@karst/orchestrator/store/gang-store.ts';
import { JobStore } from '@karst/orchestrator/store/job-store.ts';
import { Ledger } from '@karst/orchestrator/store/ledger.ts';
import { NodeStore } from '@karst/orchestrator/store/node-store.ts';
import { PreemptStore } from '@karst/orchestrator/store/preempt-store.ts';
import { SpanStore } from '@karst/orchestrator/store/span-store.ts';
import { UsageStore } from '@karst/orchestrator/store/usage-store.ts';
import { systemClock } from '@karst/shared/clock.ts';
import { systemRandom } from '@karst/shared/random.ts';
import { Redis } from 'ioredis';
import { pino } from 'pino';

/** The parts of one replica that grant, on a real Redis, without its HTTP server and its passes. */
export async function startReplica(url: string, { slots = 4096, tasksMax = 100 } = {}) {
  const redis = new Redis(url, { maxRetriesPerRequest: null });
  const subscriber = new Redis(url);
  const logger = pino({ level: 'silent' });
  const clock = systemClock;
  const queue = new SpanQueue(redis, clock, logger);
  const jobs = new JobStore(redis);
  const nodes = new NodeStore(redis);
  const ledger = new Ledger(redis);
  const bus = new WakeBus(redis, subscriber, systemRandom.uuid(), logger);
  const scheduler = new Scheduler<RunnableStep>(new Shares(3_600_000, clock.nowMs()));
  const around = { nodes, ledger, bus, scheduler, clock, logger };
  const budgets = new Budgets();
  const usageStore = new UsageStore(redis, 3_600_000);
  const usage = new UsageExchange({
    ...around,
    budgets,
    usageStore,
    opened: () => dispatcher.lookAgain(),
  });
  const accounts = new LeaseAccounts({ ...around, usage, budgets });
  const dispatcher: Dispatcher = createDispatch({
    ...around,
    usage,
    accounts,
    settings: new FarmSettings(redis),
    jobs,
    queue,
    spans: new SpanStore(redis),
    events: new JobEvents(jobs, { publish: () => undefined }),
    metrics: createMetrics({ version: 'test', logger, collect: async () => ({ redisUp: true }) }),
    random: systemRandom,
    slots: () => slots,
    suitable: () => 1,
    preempts: new PreemptStore(redis),
    gangs: new GangStore(redis),
    survey: new FarmSurvey(redis),
    waits: () => undefined,
    spanLimits: { targetMs: 1000, tasksMax },
  });
  await bus.start((wake) => dispatcher.receive(wake));
  const stop = async () => {
    await usage.close();
    await queue.close();
    subscriber.disconnect();
    redis.disconnect();
  };
  return {
    redis,
    queue,
    jobs,
    nodes,
    ledger,
    scheduler,
    budgets,
    usage,
    usageStore,
    accounts,
    dispatcher,
    stop,
  };
}
export type Replica = Awaited<ReturnType<typeof startReplica>>;
