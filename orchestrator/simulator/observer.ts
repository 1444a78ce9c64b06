import type { SimLease, SimNode } from './sim-node.ts';
import type { SimJob, SimStep } from './sim-step.ts';

export type TaskEnd = 'succeeded' | 'failed' | 'canceled';

/** Told of all that happens, as it happens: the statistics, and the tests' auditor. */
export interface Observer {
  nodeUp(node: SimNode, nowMs: number): void;
  nodeDown(node: SimNode, nowMs: number): void;
  /** The studio has tasks that could be granted and wait, or no longer. Being at its own cap is no wait. */
  backlog(studio: string, isBacklogged: boolean, nowMs: number): void;
  leaseBegan(lease: SimLease, nowMs: number): void;
  leaseEnded(lease: SimLease, nowMs: number): void;
  /** A task's first start, `waitMs` after its step was ready. Told when its lease ends. */
  taskStarted(step: SimStep, task: number, waitMs: number): void;
  /** For good; `runMs` of its last try. */
  taskEnded(step: SimStep, task: number, end: TaskEnd, runMs: number): void;
  /** Its own fault, and it will be tried again. */
  taskRetries(step: SimStep, task: number): void;
  /** Its node went after it had run for `runMs`. */
  taskLost(step: SimStep, task: number, runMs: number): void;
  /** It was ended for others after it had run for `runMs`. */
  taskPreempted(step: SimStep, task: number, runMs: number): void;
  jobStarted(job: SimJob, nowMs: number): void;
  jobEnded(job: SimJob, nowMs: number): void;
  /** All that happens at this moment has happened, grants included. Once per sampling interval. */
  tick(nowMs: number): void;
}
