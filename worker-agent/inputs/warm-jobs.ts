import type { JobId } from '@karst/shared/protocol/ids.ts';
import { WARM_JOBS_MAX } from '@karst/shared/protocol/node.ts';

/**
 * The jobs whose inputs the cache has, as far as can be told without looking: what was used last stays,
 * up to the cache's size, so a job's inputs are there while they and all that was used since fit in it.
 */
export class WarmJobs {
  readonly #bytesMax: number;
  /** Job to the bytes of its inputs, in order of use. */
  readonly #used = new Map<JobId, number>();

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** All inputs of one of the job's steps were used, or fetched ahead. */
  used(jobId: JobId, sizeBytes: number): void {
    this.#used.delete(jobId);
    if (sizeBytes > 0) this.#used.set(jobId, sizeBytes);
    const [oldest] = this.#used.keys();
    if (this.#used.size > WARM_JOBS_MAX && oldest !== undefined) this.#used.delete(oldest);
  }

  /** Those used last first. */
  list(): JobId[] {
    const warm: JobId[] = [];
    let sizeBytes = 0;
    for (const [jobId, bytes] of [...this.#used].reverse()) {
      sizeBytes += bytes;
      if (sizeBytes > this.#bytesMax) break;
      warm.push(jobId);
    }
    return warm;
  }
}
