import { taskAtOf } from '@karst/orchestrator/domain/task-order.ts';
import type { FailureCode } from '@karst/orchestrator/store/span-store.ts';
import type { StepState, TaskOrder, TaskState } from '@karst/shared/protocol/job.ts';

export const FAULTS_MAX = 10;
export const SPAN_TASKS_MAX = 2;

export interface ModelLease {
  leaseId: string;
  nodeId: string;
  epoch: number;
}

export interface ModelTask {
  state: TaskState;
  /** By its own fault. */
  failures: number;
  /** By a node's or the farm's fault. */
  faults: number;
  /** Nodes it failed on, other than by the farm's fault. */
  blamed: Set<string>;
  /** Nodes the next try avoids. */
  avoided: Set<string>;
}

/** What a task is that has not failed yet. */
export const unfailed = () => ({
  failures: 0,
  faults: 0,
  blamed: new Set<string>(),
  avoided: new Set<string>(),
});

export const isFailure = (code: ModelResult['code']): code is FailureCode =>
  code !== 'b' && code !== 's' && code !== 'r';

export interface ModelSpan {
  first: number;
  last: number;
  /** Absent while it is queued. */
  lease?: ModelLease;
  /** While it is queued: the span it is a rerun of. */
  original?: number;
  /** While it is leased: the other span of the same tasks, 0 when that is over. */
  partner?: number;
}

/** The lease of the same tasks that they are left to when this one ends with `code`. */
export function heir(
  { spans }: ModelStep,
  { partner }: ModelSpan,
  code: ModelResult['code'] | undefined,
): ModelSpan | undefined {
  if (partner === undefined || code === undefined || 'bsx'.includes(code[0] ?? ''))
    return undefined;
  const other = spans.get(partner);
  return other?.lease === undefined ? undefined : other;
}

/** What a node says of one of its leases. */
export interface ModelReport {
  spanId: number;
  lease: ModelLease;
  results: readonly ModelResult[];
}

export interface ModelStep {
  state: StepState;
  dependsOn: readonly number[];
  cursor: number;
  tasks: ModelTask[];
  /** How many of them it began with, and how many were added each time. */
  sizes: number[];
  spans: Map<number, ModelSpan>;
  /** Where chunks adapt, those made so far: each runs, ends, fails and runs again as one. */
  chunks: ModelSpan[] | undefined;
  spanSeq: number;
  order: TaskOrder;
  /** Positions of the order that may be fed before a release. */
  scout: number | undefined;
}

export interface JobShape {
  steps: readonly {
    taskCount: number;
    dependsOn: readonly number[];
    isChunked?: boolean;
    /** Not where chunks adapt. */
    order?: TaskOrder;
    scout?: number | undefined;
    /** Its tasks run all at once; not part of the model here, see gang-model.test.ts. */
    gang?: object;
  }[];
  maxRetries: number;
  maxFailed: number;
  /** Default: as the policy's. */
  poisonNodes?: number;
}

export const newTask = (): ModelTask => ({ state: 'waiting', ...unfailed() });

/** As a job's shape has it, at the beginning. */
export const newStep = ({
  taskCount,
  dependsOn,
  isChunked = false,
  order,
  scout,
}: JobShape['steps'][number]): ModelStep => ({
  order: order ?? 'ascending',
  scout,
  chunks: isChunked ? [] : undefined,
  state: dependsOn.length === 0 ? 'ready' : 'blocked',
  dependsOn,
  cursor: 0,
  tasks: Array.from({ length: taskCount }, newTask),
  sizes: [taskCount],
  spans: new Map(),
  spanSeq: 0,
});

/**
 * A result as reported: bare success of a range, success with a record, task's failure, node's failure,
 * rest given back.
 */
export interface ModelResult {
  code: 'b' | 's' | 'r' | FailureCode;
  first: number;
  last: number;
}

export const terminal: ReadonlySet<string> = new Set(['succeeded', 'failed', 'canceled']);

/** Tasks that were ever put into a span. */
export const fedOf = (order: TaskOrder, sizes: readonly number[], cursor: number): Set<number> =>
  new Set(Array.from({ length: cursor }, (_, position) => taskAtOf(order, sizes, position)));

/** A failure of a chunk's first task is the chunk's. */
export function widened(results: readonly ModelResult[], chunk: ModelSpan): ModelResult[] {
  return results.map((result) =>
    isFailure(result.code) ? { ...result, last: chunk.last } : result,
  );
}

/**
 * Results must cover the span from its first open task on, without gaps; the rest goes back whole, and
 * a chunk has one result.
 */
export function inOrder(
  results: readonly ModelResult[],
  { first, last }: ModelSpan,
  isChunk: boolean,
): boolean {
  let next = first;
  for (const result of results) {
    if (result.last < next) continue;
    const isRange = isChunk || result.code === 'b' || result.code === 'r';
    const whole = (result.code !== 'r' && !isChunk) || result.last === last;
    const single = isRange || result.first === result.last;
    if (result.first !== next || result.last > last || !whole || !single) return false;
    next = result.last + 1;
  }
  return true;
}

/** A lease ends, and its tasks run on under the other. */
export function leaveTo(
  { spans, tasks }: ModelStep,
  spanId: number,
  other: ModelSpan,
  avoided: string | undefined,
): void {
  spans.delete(spanId);
  other.partner = 0;
  if (avoided === undefined) return;
  for (const task of tasks.slice(other.first, other.last + 1)) task.avoided.add(avoided);
}

/** Whether they may run again. A chunk's tasks are charged alike. */
export function charge(
  { maxRetries, poisonNodes = 3 }: JobShape,
  step: ModelStep,
  first: number,
  last: number,
  code: FailureCode,
  nodeId: string,
): boolean {
  const [by, avoids] = code;
  let again = true;
  for (const task of step.tasks.slice(first, last + 1)) {
    if (by === 't' || by === 'x') task.failures += 1;
    else if (by !== 'w') task.faults += 1;
    if (avoids === 'a') task.avoided.add(nodeId);
    if (by === 't' || by === 'x' || by === 'n') task.blamed.add(nodeId);
    again = by !== 'x' && task.failures <= maxRetries;
    if (by === 'n' || by === 'f') again = task.faults <= FAULTS_MAX;
    if (by === 'w') again = true;
    else if (by !== 'f' && task.blamed.size >= poisonNodes) again = false;
  }
  return again;
}
