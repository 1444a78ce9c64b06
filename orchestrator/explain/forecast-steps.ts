import type { Forecast, WaitReason } from '@karst/shared/protocol/explain.ts';
import type { Job } from '@karst/shared/protocol/job.ts';
import type { RunnableStep } from '../dispatch/runnable-steps.ts';
import type { Explained } from '../scheduler/explain.ts';
import { durationText } from '../scheduler/explain-text.ts';
import { lengthOf, type Queue, type Span, slotsInHand, startIn } from '../scheduler/forecast.ts';
import type { LedgerView } from '../scheduler/full-limits.ts';
import { queueOf } from '../scheduler/outlook.ts';
import type { Farm } from './farm-reader.ts';
import type { OpenStep } from './step-reader.ts';

/** A step's forecast, from now on in ms; undefined: nobody can say. */
export interface StepForecast {
  readonly startIn: Span | undefined;
  readonly endIn: Span | undefined;
  readonly told: Forecast;
}

type Unknown = Pick<StepForecast, 'startIn' | 'endIn'> & { basis: string };

const add = (a: Span, b: Span): Span => ({ p50: a.p50 + b.p50, p90: a.p90 + b.p90 });
const latest = (spans: readonly Span[]): Span => ({
  p50: Math.max(0, ...spans.map(({ p50 }) => p50)),
  p90: Math.max(0, ...spans.map(({ p90 }) => p90)),
});

/** The forecast of each open step by its index; one that waits for others starts when they end. */
export function forecastSteps(
  open: readonly OpenStep[],
  explained: ReadonlyMap<number, Explained<RunnableStep>>,
  farm: Farm,
): Map<number, StepForecast> {
  const made = new Map<number, StepForecast>();
  const byIndex = new Map(open.map((step) => [step.index, step]));
  const forecast = (step: OpenStep): StepForecast => {
    const known = made.get(step.index);
    if (known !== undefined) return known;
    const before = step.dependsOn.flatMap((on) => {
      const other = byIndex.get(on);
      return other === undefined ? [] : [{ name: other.record.name, ...forecast(other) }];
    });
    const reasons = explained.get(step.index);
    const found =
      reasons === undefined
        ? { startIn: undefined, endIn: undefined, basis: '' }
        : forecastStep(step, reasons, before, farm);
    const result = { ...found, told: tell(found, step, farm.nowMs) };
    made.set(step.index, result);
    return result;
  };
  for (const step of open) forecast(step);
  return made;
}

const unknown = (basis: string): Unknown => ({ startIn: undefined, endIn: undefined, basis });

/** What nobody but a person, or a change of the farm, can end. */
const endless: Partial<Record<WaitReason['kind'], string>> = {
  paused: 'the job is paused',
  held: 'it is held for approval',
  over_budget: 'it is over its budget',
  no_node: 'no node is online',
  unsuited: 'no node can run it',
  unavailable: 'no node that suits takes work now',
};

function forecastStep(
  step: OpenStep,
  explained: Explained<RunnableStep>,
  before: readonly (StepForecast & { name: string })[],
  farm: Farm,
): Unknown {
  const { facts, record, times } = step;
  const why = explained.reasons.map(({ kind }) => endless[kind]).find((text) => text !== undefined);
  if (record.waiting > 0 && why !== undefined) return unknown(why);
  if (record.waiting > 0 && facts.gang !== undefined && facts.gang.startsAtMs === undefined) {
    return unknown('there is no room in sight for all its tasks at once');
  }
  const vague = before.find(({ endIn }) => endIn === undefined);
  if (vague !== undefined) return unknown(`it waits for ${vague.name}: ${vague.told.basis}`);
  const work = { waiting: record.waiting, running: record.running, times };
  const queue = queueOf(
    facts.step,
    work,
    explained,
    farm,
    ceilingOf(step, farm.ledger),
    farm.running,
  );
  const begins = beginsIn(step, queue, before, farm.nowMs);
  const length = lengthOf(work, queue);
  return {
    startIn: begins,
    endIn: begins === undefined || length === undefined ? undefined : add(begins, length),
    basis: basisOf(step, queue, begins),
  };
}

/** When its next task begins: at once where some run, for those that follow go on with their slots. */
function beginsIn(
  { record, facts }: OpenStep,
  queue: Queue,
  before: readonly StepForecast[],
  nowMs: number,
): Span | undefined {
  if (record.running > 0) return { p50: 0, p90: 0 };
  // Who goes first when the others have ended is not known yet: nobody, then.
  if (before.length > 0) return latest(before.map(({ endIn }) => endIn ?? { p50: 0, p90: 0 }));
  if (facts.gang?.startsAtMs !== undefined) {
    const ms = Math.max(0, facts.gang.startsAtMs - nowMs);
    return { p50: ms, p90: ms };
  }
  const start = startIn(queue);
  if (start === undefined || facts.dueAtMs === undefined || facts.ready > 0) return start;
  const dueMs = Math.max(0, facts.dueAtMs - nowMs);
  return latest([start, { p50: dueMs, p90: dueMs }]);
}

/** The lowest ceiling over its leases. */
function ceilingOf({ facts }: OpenStep, ledger: LedgerView): number | undefined {
  const most = facts.step.counters
    .filter(({ host }) => !host)
    .flatMap(({ name, amount }) => {
      const max = ledger.max(name);
      return max === undefined ? [] : [Math.floor(max / amount)];
    });
  return most.length === 0 ? undefined : Math.min(...most);
}

function basisOf({ times, record }: OpenStep, queue: Queue, begins: Span | undefined): string {
  if (begins === undefined) return 'no run time of what goes first is measured yet';
  if (times.count === 0) {
    return `the run time of ${record.name} is measured when its first task has ended`;
  }
  const [half, most] = [0.5, 0.9].map((q) => durationText(times.quantileMs(q)));
  const slots = slotsInHand(queue);
  return (
    `${times.count} measured task${times.count === 1 ? '' : 's'} of ${record.name} (half within ` +
    `${half}, nine of ten within ${most}), ${slots} slot${slots === 1 ? '' : 's'} in hand`
  );
}

const moment = (span: Span, nowMs: number) => ({
  p50: new Date(nowMs + span.p50).toISOString(),
  p90: new Date(nowMs + span.p90).toISOString(),
});

function tell({ startIn: start, endIn, basis }: Unknown, step: OpenStep, nowMs: number): Forecast {
  const begun = step.record.running > 0 || start === undefined;
  return {
    start: begun ? null : moment(start, nowMs),
    end: endIn === undefined ? null : moment(endIn, nowMs),
    basis,
  };
}

/** The job starts with the first of its steps and ends with the last. */
export function forecastJob(
  job: Job,
  open: readonly OpenStep[],
  forecasts: ReadonlyMap<number, StepForecast>,
  nowMs: number,
): Forecast {
  const all = open.flatMap(({ index }) => forecasts.get(index) ?? []);
  const starts = all.flatMap(({ startIn: start }) => start ?? []);
  const ends = all.flatMap(({ endIn }) => endIn ?? []);
  const vague = all.find(({ endIn }) => endIn === undefined);
  const last = all.at(-1);
  const first: Span = {
    p50: Math.min(...starts.map(({ p50 }) => p50)),
    p90: Math.min(...starts.map(({ p90 }) => p90)),
  };
  return {
    start: job.startedAt !== undefined || starts.length === 0 ? null : moment(first, nowMs),
    end: vague === undefined && all.length > 0 ? moment(latest(ends), nowMs) : null,
    basis: (vague ?? last)?.told.basis ?? '',
  };
}
