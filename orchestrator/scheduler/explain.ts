import type {
  FullLimit,
  NodeTest,
  StepExplanation,
  WaitReason,
} from '@karst/shared/protocol/explain.ts';
import type { NodeId } from '@karst/shared/protocol/ids.ts';
import { competitors, groupAhead, putsAhead, type StepAhead, type StepLoad } from './ahead.ts';
import type { Budgets } from './budgets.ts';
import type { Counter } from './counters.ts';
import * as say from './explain-text.ts';
import { fullLimits, type LedgerView } from './full-limits.ts';
import type { Mismatch } from './match.ts';
import { canServe, type NodeFacts, type NodeStanding, type Standings } from './node-standing.ts';
import { GANG_GATE, type Ranking, type WaitingStep } from './ranking.ts';

/** A step whose tasks wait, as it stands in storage. */
export interface StepFacts<S extends WaitingStep = WaitingStep> {
  readonly step: S & { readonly counters: readonly Counter[] };
  readonly running: number;
  readonly paused: boolean;
  readonly held: boolean;
  /** Of a step whose tasks run all at once. */
  readonly gang?: GangFacts | undefined;
  /** Names of the steps it depends on that have not succeeded yet. */
  readonly waitsFor: readonly string[];
  /** Tasks that no span was made of yet, or spans on the queue. */
  readonly ready: number;
  /** Spans whose next try waits for its time; the first is due at `dueAtMs`. */
  readonly delayed: number;
  readonly dueAtMs: number | undefined;
  /** Where all that is ready failed before: for each such span, the nodes that leave it to others. */
  readonly avoided: readonly ReadonlySet<string>[];
}

/** A gang that waits for room. */
export interface GangFacts {
  /** How many of its tasks wait. */
  readonly tasks: number;
  /** For how many room is kept. */
  readonly reserved: number;
  /** For how many room was found at the last look, where that was too few. */
  readonly possible: number | undefined;
  /** When all that is kept is expected to be free; undefined while there is none. */
  readonly startsAtMs: number | undefined;
}

/** The farm at one moment. */
export interface FarmFacts<S extends WaitingStep = WaitingStep> {
  readonly standings: Standings;
  readonly ranking: Ranking<S>;
  readonly ledger: LedgerView;
  readonly budgets?: Pick<Budgets, 'spentOf'>;
  /** Undefined: nothing is known of the step any more. */
  readonly load: (step: S) => StepLoad | undefined;
  /** Whether a node found nothing in the step but what failed there before. */
  readonly leftTo?: (step: S, nodeId: NodeId) => boolean;
  /** The step before all others that a node's room is kept for. */
  readonly keptFor?: (node: string) => S | undefined;
  readonly nowMs: number;
}

export type StepReasons = Pick<StepExplanation, 'summary' | 'reasons' | 'nodes' | 'tests'>;

/** What the forecast goes on from. */
export interface Explained<S extends WaitingStep> extends StepReasons {
  readonly ahead: readonly StepAhead<S>[];
  /** Steps that want some of the same nodes. */
  readonly competing: readonly S[];
}

/**
 * Why the tasks of a step wait. There always is a reason: what holds the job or the step, then what is
 * full, then how the nodes stand to it, then who goes first; `next` when nothing of that holds it.
 */
export function explainStep<S extends WaitingStep>(
  facts: StepFacts<S>,
  farm: FarmFacts<S>,
): Explained<S> {
  const { nodes } = farm.standings;
  const perNode = facts.step.counters.filter(({ host }) => host);
  const reached = fullLimits(perNode, farm.ledger);
  const plain = farm.standings.of(facts.step);
  const others = plain.filter(canServe).length;
  const standings = plain.map((standing, i): NodeStanding => {
    if (standing.standing !== 'free' && standing.standing !== 'busy') return standing;
    const nodeId = nodes[i]?.nodeId ?? '';
    const kept = reached.some(({ counter }) => !farm.ledger.countsOn(counter, nodeId));
    if (kept) return { standing: 'limit_reached', tests: [] };
    if (standing.standing === 'free' && isKept(facts.step, nodes[i], farm)) {
      return { standing: 'kept_for_larger', tests: [] };
    }
    return avoids(facts, nodeId, others) ? { standing: 'failed_here', tests: [] } : standing;
  });
  const looked = standings.filter(
    ({ standing }, i) => standing === 'offline' || nodes[i]?.online === true,
  );
  const { ahead, all } = competitors(facts.step, farm.ranking, farm.standings, farm.load);
  const counts = countStandings(looked);
  const tests = testsOf(looked.filter(({ standing }) => standing === 'unsuited'));
  const personal = personalReasons(facts, farm);
  const passing = personal.length > 0 ? [] : passingReasons(facts, farm);
  const holds = [...personal, ...passing];
  const reasons: WaitReason[] = [
    ...holds,
    ...nodeReasons({ facts, farm, standings, looked, counts, tests, ahead, reached, holds }),
  ];
  return {
    summary: say.summary(reasons, facts.running),
    reasons,
    nodes: counts,
    tests,
    ahead,
    competing: all,
  };
}

/** As store/lua/grant_spans.lua decides: unless all of the `others` that could serve failed it, too. */
const avoids = ({ avoided }: Pick<StepFacts, 'avoided'>, nodeId: string, others: number): boolean =>
  avoided.length > 0 && avoided.every((nodes) => nodes.has(nodeId) && nodes.size < others);

/** Whether the node's room is kept for a step that goes before this one. */
export function isKept<S extends WaitingStep>(
  step: S,
  node: NodeFacts | undefined,
  { keptFor, ranking }: FarmFacts<S>,
): boolean {
  const kept = node === undefined ? undefined : keptFor?.(node.capabilities.name);
  return kept !== undefined && kept !== step && putsAhead(ranking, kept, step) !== undefined;
}

/** What waits for a person, or for other steps. */
function personalReasons<S extends WaitingStep>(
  { step, paused, waitsFor, held }: StepFacts<S>,
  { budgets }: FarmFacts<S>,
): WaitReason[] {
  const reasons: WaitReason[] = [];
  if (paused) reasons.push({ kind: 'paused', text: say.paused });
  if (waitsFor.length > 0) {
    reasons.push({ kind: 'blocked', text: say.blocked(waitsFor), steps: [...waitsFor] });
  }
  if (held) reasons.push({ kind: 'held', text: say.held });
  const spent = budgets?.spentOf(step) ?? [];
  if (spent.length > 0) {
    reasons.push({ kind: 'over_budget', text: say.overBudget(spent), budgets: spent });
  }
  return reasons;
}

/** What passes by itself, whatever nodes there are. */
function passingReasons<S extends WaitingStep>(
  { step, ready, delayed, dueAtMs, gang }: StepFacts<S>,
  { ledger, ranking, nowMs }: FarmFacts<S>,
): WaitReason[] {
  const reasons: WaitReason[] = [];
  if (ready === 0 && delayed > 0 && dueAtMs !== undefined && dueAtMs > nowMs) {
    const until = new Date(dueAtMs).toISOString();
    reasons.push({ kind: 'backing_off', text: say.backingOff(dueAtMs - nowMs), until });
  }
  if (ready === 0 && delayed === 0) reasons.push({ kind: 'requeueing', text: say.requeueing });
  const perTask = step.counters.filter(({ host }) => !host);
  const gate = ranking.gateOf(step);
  // What is shut for every gang says nothing of a counter.
  const closed = gate === GANG_GATE ? undefined : gate;
  const full = fullLimits(perTask, ledger, closed).map(({ limit }) => limit);
  if (full.length > 0) reasons.push({ kind: 'limit', text: say.limits(full), limits: full });
  // A gate is closed only for a counter of the step: should it name none, it still holds the step.
  else if (closed !== undefined) {
    const limit: FullLimit = { name: closed, inUse: 0, max: 0, perNode: false };
    reasons.push({ kind: 'limit', text: say.closed(closed), limits: [limit] });
  }
  if (gang !== undefined) {
    const { tasks, reserved, possible } = gang;
    const text = say.gang(tasks, reserved, possible);
    const of = possible === undefined ? {} : { possible };
    reasons.push({ kind: 'gang', text, tasks, reserved, ...of });
  }
  return reasons;
}

interface NodeQuestion<S extends WaitingStep> {
  facts: StepFacts<S>;
  farm: FarmFacts<S>;
  standings: readonly NodeStanding[];
  looked: readonly NodeStanding[];
  counts: StepExplanation['nodes'];
  tests: NodeTest[];
  ahead: readonly StepAhead<S>[];
  reached: readonly { limit: FullLimit }[];
  holds: readonly WaitReason[];
}

/** How the nodes stand to the step; for one that is held, only whether any could run it. */
function nodeReasons<S extends WaitingStep>(question: NodeQuestion<S>): WaitReason[] {
  const { looked, counts, tests, holds, reached } = question;
  const online = looked.length - (counts.offline ?? 0);
  if (online === 0) return [{ kind: 'no_node', text: say.noNode(counts.offline ?? 0) }];
  const other = (counts.unsuited ?? 0) + (counts.other_studios ?? 0);
  if (other === online) {
    return [{ kind: 'unsuited', text: say.unsuited(counts, tests, online), tests }];
  }
  if (holds.some(({ kind }) => kind === 'gang')) return behindReasons(question);
  if (holds.some(({ kind }) => kind !== 'limit')) return [];
  const free = counts.free ?? 0;
  const busy = counts.busy ?? 0;
  if (free + busy > 0) return free > 0 ? queueReasons(question) : busyReasons(question);
  if ((counts.limit_reached ?? 0) > 0) {
    const limits = reached.map(({ limit }) => limit);
    return [{ kind: 'limit', text: say.limits(limits), limits }];
  }
  return [{ kind: 'unavailable', text: say.unavailable(counts, messagesOf(question)) }];
}

function busyReasons<S extends WaitingStep>(question: NodeQuestion<S>): WaitReason[] {
  const { facts, looked, ahead, counts } = question;
  const tests = testsOf(looked.filter(({ standing }) => standing === 'busy'));
  const busy: WaitReason = { kind: 'busy', text: say.busy(counts, tests), tests };
  return [busy, ...behindReasons({ facts, ahead })];
}

function behindReasons<S extends WaitingStep>({
  facts,
  ahead,
}: Pick<NodeQuestion<S>, 'facts' | 'ahead'>): WaitReason[] {
  const groups = groupAhead(facts.step, ahead);
  return groups.length === 0 ? [] : [{ kind: 'behind', text: say.behind(groups), ahead: groups }];
}

/** Some node is free: the step is next on one of them, or others go first on each. */
function queueReasons<S extends WaitingStep>(question: NodeQuestion<S>): WaitReason[] {
  const { facts, farm, standings, ahead, holds } = question;
  if (holds.length > 0) return [];
  const own = standings.map(({ standing }) => standing === 'free');
  const taken = new Set<number>();
  const first: StepAhead<S>[] = [];
  for (const each of ahead) {
    const at = farm.standings.of(each.step);
    const wants = own.flatMap((free, i) => (free && at[i]?.standing === 'free' ? [i] : []));
    if (wants.length > 0) first.push(each);
    for (const i of wants) taken.add(i);
  }
  if (own.some((free, i) => free && !taken.has(i))) return [{ kind: 'next', text: say.next }];
  const groups = groupAhead(facts.step, first);
  return [{ kind: 'behind', text: say.behind(groups), ahead: groups }];
}

/** What agents say that want no work, each once. */
function messagesOf<S extends WaitingStep>({ farm, standings }: NodeQuestion<S>): string[] {
  const told = farm.standings.nodes.flatMap(({ message }, i) =>
    standings[i]?.standing === 'not_ready' && message !== undefined ? [message] : [],
  );
  return [...new Set(told)];
}

function countStandings(standings: readonly NodeStanding[]): StepExplanation['nodes'] {
  const counts: StepExplanation['nodes'] = {};
  for (const { standing } of standings) counts[standing] = (counts[standing] ?? 0) + 1;
  return counts;
}

type Counted = NodeTest & Pick<Mismatch, 'over'>;

/** How many fail which test, the commonest first; `has` is the best of them where it is a number. */
function testsOf(standings: readonly NodeStanding[]): NodeTest[] {
  const byTest = new Map<string, Counted>();
  for (const { tests } of standings) for (const failed of tests) count(byTest, failed);
  return [...byTest.values()]
    .sort((a, b) => b.nodes - a.nodes || (a.test < b.test ? -1 : 1))
    .map(({ over: _, ...test }) => test);
}

function count(byTest: Map<string, Counted>, failed: Mismatch): void {
  const known = byTest.get(failed.test);
  if (known === undefined) byTest.set(failed.test, { ...failed, nodes: 1 });
  else {
    const nodes = known.nodes + 1;
    byTest.set(failed.test, { ...(isNearer(failed, known) ? failed : known), nodes });
  }
}

function isNearer(one: Mismatch, other: Mismatch): boolean {
  if (one.over === undefined) return Number(one.has) > Number(other.has);
  return one.over < (other.over ?? Infinity);
}
