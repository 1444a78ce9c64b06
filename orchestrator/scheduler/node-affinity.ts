import type { JobId, NodeId } from '@karst/shared/protocol/ids.ts';
import type { RankedStep } from './rank.ts';

/** Grants in a row in which a node may stay with what it has ready while others are as good. */
const STAY_TIMES_MAX = 16;

interface Last<S> {
  step: S;
  /** Grants in a row of what it had ready. */
  times: number;
}

/**
 * What each node has ready: the step it was granted last, whose session it may have kept, then jobs
 * whose inputs it says it has. That goes before other steps only where it is as good (Ranking.best), and
 * not for ever.
 */
export class NodeAffinity<S extends RankedStep> {
  private readonly ofJob: (jobId: JobId) => Iterable<S>;
  private readonly last = new Map<NodeId, Last<S>>();

  /** `ofJob` answers the steps of a job that may be granted. */
  constructor(ofJob: (jobId: JobId) => Iterable<S>) {
    this.ofJob = ofJob;
  }

  /** Best first; now and then nothing, so that who is older is served too. */
  *preferred(nodeId: NodeId, warm: readonly JobId[]): Generator<S> {
    const last = this.last.get(nodeId);
    if (last !== undefined && last.times >= STAY_TIMES_MAX) return;
    if (last !== undefined) yield last.step;
    for (const jobId of warm) yield* this.ofJob(jobId);
  }

  lastOn(nodeId: NodeId): S | undefined {
    return this.last.get(nodeId)?.step;
  }

  granted(nodeId: NodeId, warm: readonly JobId[], step: S): void {
    const last = this.last.get(nodeId);
    const stays = last !== undefined && (last.step === step || warm.includes(step.jobId));
    const times = stays && last.times < STAY_TIMES_MAX ? last.times + 1 : 1;
    this.last.set(nodeId, { step, times });
  }
}
