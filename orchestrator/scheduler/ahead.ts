import type { Ahead } from '@karst/shared/protocol/explain.ts';
import { canServe, type Standings } from './node-standing.ts';
import { compareAccounts, compareSteps } from './rank.ts';
import { priorityClasses, type Ranking, type WaitingStep } from './ranking.ts';

/** What stands behind a step in storage. */
export interface StepLoad {
  readonly waiting: number;
  readonly meanTaskMs: number | undefined;
}

/** A step that goes before another, and what puts it there. */
export interface StepAhead<S> {
  readonly step: S;
  readonly by: Ahead['by'];
  readonly load: StepLoad;
}

/** What puts `other` before `step`; undefined when it comes after. */
export function putsAhead<S extends WaitingStep>(
  ranking: Ranking<S>,
  other: S,
  step: S,
): Ahead['by'] | undefined {
  const classes =
    priorityClasses.indexOf(other.priorityClass) - priorityClasses.indexOf(step.priorityClass);
  if (classes !== 0) return classes < 0 ? 'class' : undefined;
  const shares =
    compareAccounts(ranking.studioAccount(other), ranking.studioAccount(step)) ||
    compareAccounts(ranking.projectAccount(other), ranking.projectAccount(step));
  if (shares !== 0) return shares < 0 ? 'share' : undefined;
  if (compareSteps(other, step) >= 0) return undefined;
  return other.priority === step.priority ? 'age' : 'priority';
}

const isSame = (a: WaitingStep, b: WaitingStep) => a.jobId === b.jobId && a.step === b.step;

/** Steps with waiting tasks that want some of the nodes `step` could run on: those before it, and all. */
export function competitors<S extends WaitingStep>(
  step: S,
  ranking: Ranking<S>,
  standings: Standings,
  loads: (other: S) => StepLoad | undefined,
): { ahead: StepAhead<S>[]; all: S[] } {
  const own = standings.of(step).map(canServe);
  const ahead: StepAhead<S>[] = [];
  const all: S[] = [];
  const meets = new Map<string, boolean>();
  for (const other of ranking.steps()) {
    // One behind a full counter takes no node before that has room.
    if (isSame(other, step) || ranking.gateOf(other) !== undefined) continue;
    const load = loads(other);
    if (load === undefined || load.waiting === 0) continue;
    const key = `${other.studio} ${other.priorityClass} ${other.shape.key}`;
    const known = meets.get(key);
    const wantsSame =
      known ?? standings.of(other).some((standing, i) => own[i] === true && canServe(standing));
    if (known === undefined) meets.set(key, wantsSame);
    if (!wantsSame) continue;
    all.push(other);
    const by = putsAhead(ranking, other, step);
    if (by !== undefined) ahead.push({ step: other, by, load });
  }
  return { ahead, all };
}

const order: readonly Ahead['by'][] = ['class', 'share', 'priority', 'age'];

/** Those ahead as numbers: of other studios no more is anyone's to know. */
export function groupAhead<S extends WaitingStep>(
  step: S,
  ahead: readonly StepAhead<S>[],
): Ahead[] {
  const groups = new Map<string, Ahead & { names: Set<string> }>();
  for (const { step: other, by, load } of ahead) {
    const own = other.studio === step.studio;
    const key = `${by} ${own}`;
    const group = groups.get(key) ?? {
      by,
      own,
      studios: 0,
      steps: 0,
      tasks: 0,
      names: new Set<string>(),
    };
    group.names.add(other.studio);
    group.steps += 1;
    group.tasks += load.waiting;
    groups.set(key, group);
  }
  return [...groups.values()]
    .map(({ names, ...group }) => ({ ...group, studios: names.size }))
    .sort((a, b) => order.indexOf(a.by) - order.indexOf(b.by) || Number(a.own) - Number(b.own));
}
