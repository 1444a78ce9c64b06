import type { JobId, NodeId } from '@karst/shared/protocol/ids.ts';
import type { GangPolicy } from '@karst/shared/protocol/job.ts';
import type { Counter } from '../scheduler/counters.ts';
import type { WaitingStep } from '../scheduler/ranking.ts';
import type { NodeView, Scheduler } from '../scheduler/scheduler.ts';

/** A step that may have spans to grant, as this replica knows it. */
export interface RunnableStep extends WaitingStep {
  /** What each of its leases counts in. */
  counters: readonly Counter[];
  /** Its tasks run all at once: nodes that ask get none of it but where room is kept for it. */
  gang: GangPolicy | undefined;
  /** Mean run time of its finished tasks when last looked at, ms. */
  meanTaskMs: number | undefined;
  /** Its spans are made when a slot asks for one: its chunks adapt. */
  readonly onDemand: boolean;
  /** How often spans were asked for since the last feed. */
  wanted: number;
  /** Spans thought to wait on the queue: a hint, other replicas take from it too. */
  buffered: number;
  /** Its spans, as made last, are over so soon that several are offered together. */
  isQuick: boolean;
  /** Spans in an offer, as of late: a hint. */
  offerSpans: number;
  /** Nothing is left behind the step's cursor: only requeued spans can come. */
  allFed: boolean;
  /** Counts wake-ups, so that a step found empty is not dropped if work came meanwhile. */
  wakes: number;
  /** Spans taken and not decided about: a node that must not have one lets it wait again in a moment. */
  inHand: number;
  /** A call found nothing but what was in hand, and waits. */
  missed: boolean;
  /** Nodes that found only such spans, and how often the step had been woken then. */
  leftAlone: Map<NodeId, number>;
  /** A feed in progress, shared by those who wait for it. */
  feeding: Promise<number> | undefined;
}

/** What of a listed step may change. */
export type StepChange = Partial<
  Pick<RunnableStep, 'priorityClass' | 'priority' | 'shape' | 'gates' | 'counters' | 'allFed'>
>;

const nameOf = (jobId: JobId, step: number) => `${jobId}/${step}`;

/** This replica's steps with work, ranked by the scheduler. */
export class RunnableSteps {
  private readonly scheduler: Scheduler<RunnableStep>;
  private readonly added: (step: RunnableStep) => void;
  private readonly byName = new Map<string, RunnableStep>();
  private readonly byJob = new Map<JobId, Set<RunnableStep>>();

  /** `added` is told of each step that has work from then on. */
  constructor(
    scheduler: Scheduler<RunnableStep>,
    added: (step: RunnableStep) => void = () => undefined,
  ) {
    this.scheduler = scheduler;
    this.added = added;
  }

  /** Steps that could be granted now; those behind a full counter do not count. */
  get size(): number {
    return this.scheduler.ranking.size;
  }

  get(jobId: JobId, step: number): RunnableStep | undefined {
    return this.byName.get(nameOf(jobId, step));
  }

  add(step: RunnableStep): void {
    this.remove(step);
    this.byName.set(nameOf(step.jobId, step.step), step);
    const ofJob = this.byJob.get(step.jobId);
    if (ofJob === undefined) this.byJob.set(step.jobId, new Set([step]));
    else ofJob.add(step);
    this.scheduler.ranking.add(step);
    this.added(step);
  }

  /** Changes a listed step and puts it where it belongs now. */
  update(step: RunnableStep, change: StepChange): void {
    this.scheduler.ranking.update(step, change);
  }

  remove({ jobId, step }: Pick<RunnableStep, 'jobId' | 'step'>): void {
    const known = this.byName.get(nameOf(jobId, step));
    if (known === undefined) return;
    this.byName.delete(nameOf(jobId, step));
    const ofJob = this.byJob.get(jobId);
    ofJob?.delete(known);
    if (ofJob?.size === 0) this.byJob.delete(jobId);
    this.scheduler.ranking.remove(known);
  }

  /** The listed steps of a job. */
  ofJob(jobId: JobId): Iterable<RunnableStep> {
    return this.byJob.get(jobId) ?? [];
  }

  /** The step that goes first on a node; the first of `prefer` that is as good. */
  best(
    node: NodeView,
    skip: ReadonlySet<RunnableStep>,
    prefer: Iterable<RunnableStep>,
    nowMs?: number,
  ): RunnableStep | undefined {
    return this.scheduler.choose(node, skip, prefer, nowMs);
  }
}
