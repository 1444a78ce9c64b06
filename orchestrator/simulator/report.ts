import type { FarmFile } from '@karst/shared/simulation/farm-file.ts';
import { capacityUntil, type TraceFacts } from './bounds.ts';
import { type Capacity, capacityOf } from './farm.ts';
import { jainIndex, satisfactions } from './metrics/fairness.ts';
import type { Histogram } from './metrics/histogram.ts';
import type { Recorder } from './metrics/recorder.ts';
import { utilisation } from './metrics/usage.ts';
import type { PolicyName } from './policies/policy.ts';
import type { Trace } from './trace.ts';

const HOUR_MS = 3_600_000;
/** Sampling intervals in a period of which an index of its own is made. */
export const SAMPLES_PER_PERIOD = 24;

/** Digits a figure is told with: more would be noise. */
const rounded = (value: number, digits = 4): number => Number(value.toFixed(digits));
const part = (value: number | undefined) => (value === undefined ? null : rounded(value));
const seconds = (ms: number): number => rounded(ms / 1000, 1);

const spread = (histogram: Histogram) => ({
  mean: seconds(histogram.meanMs),
  p50: seconds(histogram.quantileMs(0.5)),
  p95: seconds(histogram.quantileMs(0.95)),
  p99: seconds(histogram.quantileMs(0.99)),
  max: seconds(histogram.maxMs),
});

export interface RunResult {
  recorder: Recorder;
  /** Of the last lease, ms. */
  endMs: number;
}

/** One policy's figures. docs/simulation.md says what each is. */
export function policyReport(farm: FarmFile, facts: TraceFacts, { recorder, endMs }: RunResult) {
  const { ends } = recorder;
  const ended = ends.succeeded + ends.failed + ends.canceled;
  const cardMs = facts.work.gpus;
  const idealMs = Math.max(facts.capacityBoundMs, facts.criticalPathMs);
  return {
    tasks: { total: facts.tasks, ...ends, stranded: facts.tasks - ended },
    waitSeconds: spread(recorder.waits),
    jobWaitSeconds: spread(recorder.jobWaits),
    turnaroundSeconds: spread(recorder.turnarounds),
    utilisation: inWindow(recorder, facts.lastArrivalMs),
    fairness: fairnessOf(recorder),
    allocation: {
      byCount: part(recorder.metTasks / facts.tasks),
      byCardHours: part(cardMs === 0 ? undefined : recorder.metCardMs / cardMs),
    },
    makespan: {
      hours: rounded(endMs / HOUR_MS, 2),
      idealHours: rounded(idealMs / HOUR_MS, 2),
      ratio: part(idealMs === 0 ? undefined : endMs / idealMs),
    },
    leases: recorder.leases,
    retries: recorder.retries,
    lost: {
      tasks: recorder.lostTasks,
      hours: rounded(recorder.lostMs / HOUR_MS, 2),
      gpuHours: rounded(recorder.lostGpuMs / HOUR_MS, 2),
    },
    preempted: {
      tasks: recorder.preemptedTasks,
      hours: rounded(recorder.preemptedMs / HOUR_MS, 2),
      gpuHours: rounded(recorder.preemptedGpuMs / HOUR_MS, 2),
    },
    studios: studiosOf(farm, recorder),
  };
}
export type PolicyReport = ReturnType<typeof policyReport>;

/** While work arrives: the tail says more of the trace's end than of the policy. */
function inWindow({ usage }: Recorder, untilMs: number) {
  const { samples } = usage;
  const first = samples[0];
  const last = samples.findLast(({ atMs }) => atMs <= untilMs);
  const end = last === undefined || last === first ? samples.at(-1) : last;
  if (first === undefined || end === undefined) return { slots: null, cores: null, gpus: null };
  const { slots, cores, gpus } = utilisation(first, end);
  return { slots: part(slots), cores: part(cores), gpus: part(gpus) };
}

function fairnessOf({ shareSamples }: Recorder) {
  const none = new Map();
  const whole = [...satisfactions(none, shareSamples.at(-1) ?? none).values()];
  const periods: number[] = [];
  for (let at = 0; at < shareSamples.length - 1; at += SAMPLES_PER_PERIOD) {
    const to = shareSamples[Math.min(at + SAMPLES_PER_PERIOD, shareSamples.length - 1)] ?? none;
    const values = [...satisfactions(shareSamples[at] ?? none, to).values()];
    const index = values.length < 2 ? undefined : jainIndex(values);
    if (index !== undefined) periods.push(index);
  }
  const mean = periods.reduce((sum, value) => sum + value, 0) / periods.length;
  return {
    jain: part(jainIndex(whole)),
    jainPerPeriod: part(periods.length === 0 ? undefined : mean),
    leastSatisfied: part(whole.length === 0 ? undefined : Math.min(...whole)),
  };
}

function studiosOf(farm: FarmFile, recorder: Recorder) {
  const weights = new Map<string, number>(farm.studios.map(({ name, weight }) => [name, weight]));
  const last = recorder.shareSamples.at(-1) ?? new Map();
  const satisfied = satisfactions(new Map(), last);
  const names = [...recorder.studios.keys()].toSorted();
  return Object.fromEntries(
    names.map((name) => {
      const record = recorder.studios.get(name);
      return [
        name,
        {
          weight: weights.get(name) ?? 1,
          tasks: record?.tasks ?? 0,
          waitSeconds: record === undefined ? null : spread(record.waits),
          turnaroundSeconds: record === undefined ? null : spread(record.turnarounds),
          coreHours: rounded((last.get(name)?.used ?? 0) / 3600, 1),
          satisfaction: part(satisfied.get(name)),
        },
      ];
    }),
  );
}

export interface Report {
  seed: number;
  farm: Capacity & { nodes: number };
  trace: ReturnType<typeof traceReport>;
  policies: Partial<Record<PolicyName, PolicyReport>>;
}

export function traceReport(trace: Trace, farm: FarmFile, facts: TraceFacts) {
  const { lastArrivalMs, work } = facts;
  const capacity = capacityUntil(farm, lastArrivalMs);
  const load = (kind: keyof Capacity) =>
    part(capacity[kind] === 0 ? undefined : work[kind] / capacity[kind]);
  const count = (values: Iterable<string>) => new Set(values).size;
  return {
    kind: trace.kind,
    jobs: trace.jobs.length,
    steps: facts.steps,
    tasks: facts.tasks,
    studios: count(trace.jobs.map(({ studio }) => studio)),
    days: rounded(lastArrivalMs / HOUR_MS / 24, 2),
    /** Work that arrives / what the farm has while it arrives. */
    load: { slots: load('slots'), cores: load('cores'), gpus: load('gpus') },
    idealHours: {
      capacity: rounded(facts.capacityBoundMs / HOUR_MS, 2),
      criticalPath: rounded(facts.criticalPathMs / HOUR_MS, 2),
    },
    skipped: trace.skipped,
  };
}

export const farmReport = ({ nodes }: FarmFile): Report['farm'] => ({
  nodes: nodes.reduce((sum, { count }) => sum + count, 0),
  ...capacityOf(nodes),
});
