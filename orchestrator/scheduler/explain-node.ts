import type {
  NodeExplanation,
  ShapeExplanation,
  Standing,
} from '@karst/shared/protocol/explain.ts';
import type { Counter } from './counters.ts';
import { type FarmFacts, isKept } from './explain.ts';
import { overBudget } from './explain-text.ts';
import { fullLimits } from './full-limits.ts';
import type { NodeFacts, NodeStanding } from './node-standing.ts';
import { GANG_GATE, type WaitingStep } from './ranking.ts';
import { shapeText } from './shape-text.ts';

/** Kinds of waiting work told of at once. */
const KINDS_TOLD_MAX = 50;

type Step = WaitingStep & { readonly counters: readonly Counter[] };
type NodeReasons = Pick<NodeExplanation, 'summary' | 'holds' | 'waiting' | 'leftOut'>;

interface Kind<S> {
  steps: S[];
  standing: NodeStanding;
  /** The sentence that tells what keeps it from every such node: a limit, a budget, its fellows. */
  full: string | undefined;
  tasks: number;
}

/**
 * Why a node idles, or that it does not: what keeps it from any work, and for all that waits, by what
 * it asks for, what keeps it from this node. `farm.standings` is of this node alone.
 */
export function explainNode<S extends Step>(node: NodeFacts, farm: FarmFacts<S>): NodeReasons {
  const holds = holdsOf(node);
  const kinds = [...kindsOf(node, farm)].sort((a, b) => b.tasks - a.tasks);
  const waiting = kinds.slice(0, KINDS_TOLD_MAX).map(tell);
  return {
    summary: summaryOf(node, holds, waiting),
    holds,
    waiting,
    leftOut: Math.max(0, kinds.length - KINDS_TOLD_MAX),
  };
}

function holdsOf(node: NodeFacts): string[] {
  const { online, hold, message, poolClosed, capabilities, slots, leaseCount } = node;
  const holds: string[] = [];
  const kept = node.keptForGangs?.slots ?? 0;
  if (kept > 0 && leaseCount + kept >= slots) holds.push(keptText);
  if (!online) holds.push('It is offline: its agent does not call.');
  if (hold !== undefined) holds.push(`It gets no work: ${hold.reason}.`);
  if (message !== undefined) holds.push(`Its agent wants no work: ${message}.`);
  if (poolClosed) holds.push(`Its pool ${capabilities.pool} starts nothing at this hour.`);
  if (online && slots === 0) holds.push('It has no slots.');
  return holds;
}

const keptText = 'Its room is kept for tasks that are to begin together with others elsewhere.';
const gangText = 'It begins with all the tasks of its step together, once there is room for each.';

const failedHere: NodeStanding = { standing: 'failed_here', tests: [] };
const keptForLarger: NodeStanding = { standing: 'kept_for_larger', tests: [] };

/** Waiting steps that ask, and stand to the node, alike. */
function kindsOf<S extends Step>(node: NodeFacts, farm: FarmFacts<S>): Iterable<Kind<S>> {
  const kinds = new Map<string, Kind<S>>();
  for (const step of farm.ranking.steps()) {
    const tasks = farm.load(step)?.waiting ?? 0;
    if (tasks === 0) continue;
    const plain = farm.standings.of(step)[0];
    if (plain === undefined) continue;
    const left = plain.standing === 'free' && farm.leftTo?.(step, node.nodeId) === true;
    const standing = left
      ? failedHere
      : plain.standing === 'free' && isKept(step, node, farm)
        ? keptForLarger
        : plain;
    const full = fullFor(step, node, farm);
    const key = `${step.shape.key} ${standing.standing} ${full}`;
    const kind = kinds.get(key);
    if (kind === undefined) kinds.set(key, { steps: [step], standing, full, tasks });
    else {
      kind.steps.push(step);
      kind.tasks += tasks;
    }
  }
  return kinds.values();
}

/** What other than the node keeps the step from it: a limit, a budget, its fellows. */
function fullFor<S extends Step>(
  step: S,
  { nodeId }: NodeFacts,
  { ledger, ranking, budgets }: FarmFacts<S>,
): string | undefined {
  const spent = budgets?.spentOf(step) ?? [];
  if (spent.length > 0) return overBudget(spent);
  const full = fullLimits(step.counters, ledger, ranking.gateOf(step)).find(
    ({ counter, limit }) => !limit.perNode || !ledger.countsOn(counter, nodeId),
  );
  if (full === undefined) {
    const closed = ranking.gateOf(step);
    if (closed === GANG_GATE) return gangText;
    return closed === undefined ? undefined : `Full: ${closed}.`;
  }
  const { name, inUse, max } = full.limit;
  return `Full: ${name} (${inUse} of ${max} in use).`;
}

const texts: Readonly<Record<Standing, string>> = {
  other_studios: 'The node’s pool takes other studios only.',
  unsuited: 'The node fails ',
  offline: 'It would suit; the node is offline.',
  other_classes: 'The node’s pool takes other priority classes only.',
  pool_by_name_only: 'The node’s pool takes only jobs that name it.',
  pool_closed: 'It would suit; the pool is outside its hours.',
  draining: 'It would suit; the node drains.',
  outside_schedule: 'It would suit; the node is outside its schedule.',
  not_ready: 'It would suit; the agent wants no work.',
  kept_for_larger: 'The node is kept free for a larger task that goes first.',
  quarantined: 'It would suit; the node is in quarantine.',
  failed_here: 'What waits of it failed here lately and is left to other nodes.',
  limit_reached: 'It would suit; a limit is full.',
  busy: 'It would suit; no slot is free.',
  free: 'It should start at the node’s next call, in its turn.',
};

function tell<S extends Step>({ steps, standing, full, tasks }: Kind<S>): ShapeExplanation {
  const passing = standing.standing === 'free' || standing.standing === 'busy';
  const limited = full !== undefined && passing;
  const tests = standing.tests.map((failed) => ({ ...failed, nodes: 1 }));
  const kept = limited ? 'limit_reached' : standing.standing;
  const detail = tests.map(({ test, wanted, has }) => `${test} (wanted ${wanted}, has ${has})`);
  const text = limited
    ? full
    : kept === 'unsuited'
      ? `${texts.unsuited}${detail.join(', ')}.`
      : kept === 'busy' && detail.length > 0
        ? `It would suit; too little is free: ${detail.join(', ')}.`
        : texts[kept];
  const first = steps[0];
  return {
    wants: first === undefined ? '' : shapeText(first.shape),
    studios: [...new Set(steps.map(({ studio }) => studio))].sort(),
    steps: steps.length,
    tasks,
    standing: kept,
    tests: tests.map(({ test, wanted, has }) => ({ test, wanted, has })),
    text,
  };
}

function summaryOf(
  { leaseCount, slots }: NodeFacts,
  holds: readonly string[],
  waiting: readonly ShapeExplanation[],
): string {
  const runs = `${leaseCount} of its ${slots} slot${slots === 1 ? ' is' : 's are'} in use.`;
  const first = holds[0];
  if (first !== undefined) return leaseCount > 0 ? `${first} ${runs}` : first;
  if (leaseCount >= slots) return `It does not idle: ${runs}`;
  if (waiting.length === 0) return `${leaseCount > 0 ? `${runs} ` : ''}Nothing waits for nodes.`;
  if (waiting.some(({ standing }) => standing === 'free')) {
    return `${leaseCount > 0 ? `${runs} ` : ''}Work that suits it waits: it should start at its next call.`;
  }
  const steps = waiting.reduce((sum, kind) => sum + kind.steps, 0);
  const each = waiting.length === 1 ? (waiting[0]?.text ?? '') : mostly(waiting);
  return `${leaseCount > 0 ? `${runs} ` : ''}${steps} step${steps === 1 ? ' waits' : 's wait'}, none for this node now. ${each}`;
}

/** The commonest tests it fails over all that waits. */
function mostly(waiting: readonly ShapeExplanation[]): string {
  const byTest = new Map<string, { test: string; nodes: number; wanted: string; has: string }>();
  for (const { tests, steps } of waiting) {
    for (const { test, wanted, has } of tests) {
      const known = byTest.get(test);
      if (known === undefined) byTest.set(test, { test, wanted, has, nodes: steps });
      else known.nodes += steps;
    }
  }
  const tests = [...byTest.values()].sort((a, b) => b.nodes - a.nodes);
  if (tests.length === 0) return waiting[0]?.text ?? '';
  return `It fails ${tests
    .slice(0, 3)
    .map(({ test, nodes, wanted, has }) => `${test} for ${nodes} (wanted ${wanted}, has ${has})`)
    .join(', ')}.`;
}
