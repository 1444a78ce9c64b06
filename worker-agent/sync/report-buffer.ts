import type { Grant, LeaseReport, TaskResult } from '@karst/shared/protocol/lease.ts';

/** The protocol's bound for one report. */
const resultsPerReportMax = 2000;

/**
 * Results of one lease that the orchestrator has not answered for yet. In memory only: leases die
 * with the agent process, and results of a dead lease are refused.
 */
export class ReportBuffer {
  readonly #grant: Grant;
  readonly #results: TaskResult[] = [];
  /** How many of the first results were ever sent: those are repeated as they were, never merged. */
  #sent = 0;

  constructor(grant: Grant) {
    this.#grant = grant;
  }

  get isEmpty(): boolean {
    return this.#results.length === 0;
  }

  /** Adds a result; a plain success joins the one before it, so that a span of them is one range. */
  add(result: TaskResult): void {
    const last = this.#results.at(-1);
    const joins =
      last !== undefined &&
      this.#results.length > this.#sent &&
      isPlain(last) &&
      isPlain(result) &&
      last.last + 1 === result.first;
    if (joins && last.outcome === 'succeeded' && result.outcome === 'succeeded') {
      last.last = result.last;
      last.endedAtMs = result.endedAtMs;
    } else {
      this.#results.push({ ...result });
    }
  }

  /** What the next call says; the same again until it is acknowledged. */
  report(): LeaseReport | undefined {
    if (this.#results.length === 0) return undefined;
    const results = this.#results.slice(0, resultsPerReportMax);
    this.#sent = Math.max(this.#sent, results.length);
    const { leaseId, jobId, step, spanId, epoch } = this.#grant;
    return { leaseId, jobId, step, spanId, epoch, results };
  }

  /** Whether a result was never sent. */
  get hasUnsent(): boolean {
    return this.#results.length > this.#sent;
  }

  /** The orchestrator can't read these results: gives their tasks back instead, to be run anew. */
  giveBack(message: string): void {
    for (const [at, { first, last }] of this.#results.entries()) {
      this.#results[at] = { outcome: 'returned', first, last, message };
    }
  }

  /** The orchestrator has answered for the first `count` results. */
  acknowledge(count: number): void {
    this.#results.splice(0, count);
    this.#sent -= count;
  }
}

const isPlain = (result: TaskResult): boolean =>
  result.outcome === 'succeeded' && result.outputs === undefined && result.log === undefined;
