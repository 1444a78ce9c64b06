import type { StepState, TaskState } from '@karst/shared/protocol/job.ts';

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
}

export interface ModelSpan {
  first: number;
  last: number;
  /** Absent while it is queued. */
  lease?: ModelLease;
}

export interface ModelStep {
  state: StepState;
  dependsOn: readonly number[];
  cursor: number;
  tasks: ModelTask[];
  spans: Map<number, ModelSpan>;
  spanSeq: number;
}

export interface JobShape {
  steps: readonly { taskCount: number; dependsOn: readonly number[] }[];
  maxRetries: number;
  maxFailed: number;
}

/** A result as reported: bare success of a range, task's failure, node's failure, rest given back. */
export interface ModelResult {
  code: 'b' | 't' | 'n' | 'r';
  first: number;
  last: number;
}

export const terminal: ReadonlySet<string> = new Set(['succeeded', 'failed', 'canceled']);

/** Results must cover the span from its first open task on, without gaps; the rest goes back whole. */
export function inOrder(results: readonly ModelResult[], { first, last }: ModelSpan): boolean {
  let next = first;
  for (const result of results) {
    if (result.last < next) continue;
    const whole = result.code !== 'r' || result.last === last;
    const single = result.code === 'b' || result.code === 'r' || result.first === result.last;
    if (result.first !== next || result.last > last || !whole || !single) return false;
    next = result.last + 1;
  }
  return true;
}
