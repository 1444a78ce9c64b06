import { collectAssetsPass } from './background/collect-assets.ts';
import { countStoragePass } from './background/count-storage.ts';
import { deleteJobsPass } from './background/delete-jobs.ts';
import { endRetentionPass } from './background/end-retention.ts';
import { expireNodesPass } from './background/expire-nodes.ts';
import { flagSlowTasksPass } from './background/flag-slow-tasks.ts';
import { gatherGangsPass } from './background/gather-gangs.ts';
import { keepUsagePass } from './background/keep-usage.ts';
import { pageOutPass } from './background/page-out.ts';
import { type Pass, PassDriver } from './background/pass.ts';
import { preemptPass } from './background/preempt.ts';
import { publishOutputsPass } from './background/publish-outputs.ts';
import { reconcilePass } from './background/reconcile.ts';
import { settleLedgerPass } from './background/settle-ledger.ts';
import type { Stores, Surroundings } from './build-stores.ts';
import type { Config } from './config.ts';
import { createDispatch } from './dispatch/create-dispatch.ts';
import type { Dispatcher } from './dispatch/dispatcher.ts';
import { LeaseAccounts } from './dispatch/lease-accounts.ts';
import type { RunnableStep } from './dispatch/runnable-steps.ts';
import { UsageExchange } from './dispatch/usage-exchange.ts';
import { WakeBus } from './dispatch/wake-bus.ts';
import { GangClock } from './gangs/gang-clock.ts';
import { Aftermath } from './jobs/aftermath.ts';
import { AssetPresence } from './jobs/asset-presence.ts';
import { JobEvents } from './jobs/job-events.ts';
import { JobInputs } from './jobs/job-inputs.ts';
import { StorageQuota } from './jobs/storage-quota.ts';
import { farmGauges } from './metrics/farm-gauges.ts';
import { createMetrics } from './metrics/metrics.ts';
import { sendDeletion } from './objects/send-deletion.ts';
import { WaitingClock } from './preemption/waiting-clock.ts';
import { PreviewFeed } from './previews/preview-feed.ts';
import { Budgets } from './scheduler/budgets.ts';
import { Scheduler } from './scheduler/scheduler.ts';
import { Shares } from './scheduler/shares.ts';
import { SettingsControl } from './settings/settings-control.ts';
import { keys } from './store/keys.ts';
import { GangStarts } from './sync/gang-starts.ts';
import { LeaseExpiry } from './sync/lease-expiry.ts';
import { NodeRoster } from './sync/node-roster.ts';
import { NodeWatch } from './sync/node-watch.ts';
import { PrefetchAdvice } from './sync/prefetch-advice.ts';
import { ReportService } from './sync/report-service.ts';
import { SyncService } from './sync/sync-service.ts';
import { VERSION } from './version.ts';

export type Services = ReturnType<typeof buildServices>;

/** How deletions of input files go; they rest until Redis, each second, has written its log to the disk. */
export const collecting = { send: sendDeletion, restMs: 2500 };

const passNames = [
  'collect-assets',
  'count-storage',
  'delete-jobs',
  'end-retention',
  'expire-nodes',
  'flag-slow-tasks',
  'gather-gangs',
  'keep-usage',
  'page-out',
  'preempt',
  'publish-outputs',
  'reconcile',
  'settle-ledger',
] as const;

/** Puts the parts that decide and act together, over the stores. Nothing runs yet. */
export function buildServices(config: Config, around: Surroundings, stores: Stores) {
  const { redis, subscriber, jobs, objects, eventBus } = stores;
  const { clock, random, logger } = around;
  const livenessMs = config.KARST_NODE_LIVENESS_MS;
  const collect = farmGauges({ ...stores, clock });
  const metrics = createMetrics({ version: VERSION, passes: passNames, collect, logger });
  const bus = new WakeBus(redis, subscriber, random.uuid(), logger);
  const events = new JobEvents(jobs, eventBus);
  const parts = { ...stores, ...around, bus, events, metrics };
  const halfLifeMs = config.KARST_SHARE_HALF_LIFE_H * 3_600_000;
  const scheduler = new Scheduler<RunnableStep>(new Shares(halfLifeMs, clock.nowMs()));
  const budgets = new Budgets();
  const usage = new UsageExchange({
    ...parts,
    scheduler,
    budgets,
    opened: () => dispatcher.lookAgain(),
  });
  const accounts = new LeaseAccounts({ ...parts, scheduler, usage, budgets });
  const spanLimits = {
    targetMs: config.KARST_SPAN_TARGET_MS,
    tasksMax: config.KARST_SPAN_TASKS_MAX,
  };
  const aftermath = new Aftermath({ ...parts, accounts, spanLimits });
  const roster = new NodeRoster({ ...parts, livenessMs });
  const healthLimits = {
    jobs: config.KARST_QUARANTINE_JOBS,
    nodeFaults: config.KARST_QUARANTINE_FAULTS,
    failures: 2 * config.KARST_QUARANTINE_JOBS,
    windowMs: config.KARST_QUARANTINE_WINDOW_MS,
    coolMs: config.KARST_QUARANTINE_MS,
    coolMsMax: config.KARST_QUARANTINE_MS_MAX,
  };
  const watch = new NodeWatch({ ...parts, healthLimits });
  const expiry = new LeaseExpiry({ ...parts, accounts, aftermath });
  const preemptAfterMs = config.KARST_PREEMPT_AFTER_MS;
  const waiting = new WaitingClock(clock, preemptAfterMs, () => driver.nudge('preempt'));
  const gangClock = new GangClock(() => driver.nudge('gather-gangs'));
  const dispatcher: Dispatcher = createDispatch({
    ...parts,
    scheduler,
    accounts,
    usage,
    slots: (shape) => roster.counted(shape).slots,
    suitable: (shape) => roster.counted(shape).takers,
    spanLimits,
    waits: (step) => {
      if (step.gang !== undefined) gangClock.noticed();
      else if (preemptAfterMs > 0) waiting.noticed(step);
    },
  });
  const slowLimits = {
    slowMs: config.KARST_SLOW_TASK_MS,
    spanTargetMs: config.KARST_SPAN_TARGET_MS,
  };
  const driver = new PassDriver(clock, metrics, logger);
  const reports = new ReportService({
    ...parts,
    aftermath,
    listForPublishing: async (jobId) => {
      await redis.sadd(keys.publishingJobs(), jobId);
    },
    outputsAccepted: async (jobId, sizesBytes) => {
      driver.nudge('publish-outputs');
      const studio = await events.studioOf(jobId);
      if (studio !== undefined) await stores.storageUse.outputsAccepted(studio, sizesBytes);
    },
    stepEnded: () => driver.nudge('page-out'),
  });
  const sync = new SyncService({
    ...parts,
    reports,
    dispatcher,
    roster,
    accounts,
    expiry,
    watch,
    advice: new PrefetchAdvice({ ...parts, dispatcher, roster }),
    gangs: new GangStarts({ ...parts, roomFreed: () => gangClock.noticed() }),
    livenessMs,
  });
  const previewFeed = new PreviewFeed(parts);
  const settingsControl = new SettingsControl(parts);
  const presence = new AssetPresence(parts);
  const quota = new StorageQuota(parts);
  const inputs = new JobInputs(objects, stores.outputs);

  const passes = (): Pass[] => [
    reconcilePass({ ...parts, dispatcher, aftermath, expiry, periodMs: config.KARST_RECONCILE_MS }),
    publishOutputsPass({ ...parts, previewFeed, periodMs: 2 * config.KARST_RECONCILE_MS }),
    flagSlowTasksPass({
      ...parts,
      aftermath,
      roster,
      slowLimits,
      periodMs: 2 * config.KARST_RECONCILE_MS,
    }),
    collectAssetsPass({
      ...parts,
      ...collecting,
      periodMs: 12 * config.KARST_RECONCILE_MS,
    }),
    countStoragePass({ ...parts, periodMs: 2 * config.KARST_RECONCILE_MS }),
    deleteJobsPass({
      ...parts,
      again: () => driver.nudge('delete-jobs'),
      periodMs: 6 * config.KARST_RECONCILE_MS,
    }),
    endRetentionPass({
      ...parts,
      deleted: () => driver.nudge('delete-jobs'),
      periodMs: 12 * config.KARST_RECONCILE_MS,
    }),
    keepUsagePass({ ...parts, usage, periodMs: 12 * config.KARST_RECONCILE_MS }),
    pageOutPass({ ...parts, periodMs: 2 * config.KARST_RECONCILE_MS }),
    settleLedgerPass({
      ...parts,
      accounts,
      scheduler,
      dispatcher,
      periodMs: 3 * config.KARST_RECONCILE_MS,
    }),
    preemptPass({
      ...parts,
      scheduler,
      budgets,
      waiting,
      expiry,
      isOn: preemptAfterMs > 0,
      minRunMs: config.KARST_PREEMPT_MIN_RUN_MS,
      livenessMs,
      periodMs: config.KARST_RECONCILE_MS,
    }),
    gatherGangsPass({
      ...parts,
      scheduler,
      budgets,
      aftermath,
      gangClock,
      livenessMs,
      forget: (step) => dispatcher.forget(step),
      periodMs: config.KARST_RECONCILE_MS,
    }),
    expireNodesPass({
      ...parts,
      expiry,
      watch,
      roster,
      livenessMs,
      reachableSinceMs: () => stores.reachability.sinceMs(),
    }),
  ];
  return {
    slowLimits,
    metrics,
    bus,
    events,
    scheduler,
    usage,
    budgets,
    waiting,
    gangClock,
    accounts,
    roster,
    aftermath,
    dispatcher,
    driver,
    sync,
    inputs,
    presence,
    quota,
    settingsControl,
    previewFeed,
    passes,
  };
}
