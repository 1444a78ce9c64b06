import type { JobId, LeaseId } from '@karst/shared/protocol/ids.ts';
import type { Grant, LeaseReport, TaskResult } from '@karst/shared/protocol/lease.ts';
import type { LeaseRun } from './lease-run.ts';
import { ReportBuffer } from './sync/report-buffer.ts';

interface Held {
  /** Absent once nothing of it runs any more. */
  run?: LeaseRun;
  buffer: ReportBuffer;
  jobId: JobId;
}

/** Ids of leases that are over, so that a grant delivered late isn't run again. */
const closedMax = 10_000;

/** The leases this agent holds: those it runs and those whose results wait for an answer. */
export class HeldLeases {
  readonly #held = new Map<LeaseId, Held>();
  readonly #closed = new Set<LeaseId>();
  #running = 0;

  /** How many leases still run. */
  get running(): number {
    return this.#running;
  }

  get size(): number {
    return this.#held.size;
  }

  ids(): LeaseId[] {
    return [...this.#held.keys()];
  }

  runs(): LeaseRun[] {
    return [...this.#held.values()].flatMap(({ run }) => (run === undefined ? [] : [run]));
  }

  /** The run of a lease, if any of it still runs. */
  runOf(leaseId: LeaseId): LeaseRun | undefined {
    return this.#held.get(leaseId)?.run;
  }

  /** The job of a lease that is held. */
  jobOf(leaseId: LeaseId): JobId | undefined {
    return this.#held.get(leaseId)?.jobId;
  }

  /** Whether a grant is one delivered before. */
  knows(leaseId: LeaseId): boolean {
    return this.#held.has(leaseId) || this.#closed.has(leaseId);
  }

  take(grant: Grant, run: LeaseRun): void {
    this.#held.set(grant.leaseId, { run, buffer: new ReportBuffer(grant), jobId: grant.jobId });
    this.#running += 1;
  }

  /** Keeps a result to be reported; of a lease no longer held it is dropped. */
  add(leaseId: LeaseId, result: TaskResult): void {
    this.#held.get(leaseId)?.buffer.add(result);
  }

  /** Nothing of the lease runs any more. */
  finished(leaseId: LeaseId): void {
    this.#running -= 1;
    const held = this.#held.get(leaseId);
    if (held === undefined) return;
    delete held.run;
    if (held.buffer.isEmpty) this.#close(leaseId);
  }

  /** Results to be told in the next call. */
  reports(reportsMax: number): LeaseReport[] {
    const reports: LeaseReport[] = [];
    for (const { buffer } of this.#held.values()) {
      const report = buffer.report();
      if (report !== undefined) reports.push(report);
      if (reports.length >= reportsMax) break;
    }
    return reports;
  }

  /** Whether a result was never sent. */
  hasUnsent(): boolean {
    for (const { buffer } of this.#held.values()) if (buffer.hasUnsent) return true;
    return false;
  }

  /** The lease's results can't be read by the orchestrator: gives their tasks back. */
  giveBack(leaseId: LeaseId, message: string): void {
    this.#held.get(leaseId)?.buffer.giveBack(message);
  }

  /** The orchestrator has taken (or refused for good) the first `count` results of a lease. */
  acknowledge(leaseId: LeaseId, count: number): void {
    const held = this.#held.get(leaseId);
    if (held === undefined) return;
    held.buffer.acknowledge(count);
    if (held.run === undefined && held.buffer.isEmpty) this.#close(leaseId);
  }

  /**
   * The lease is somebody else's: ends what runs, forgets its results. Answers its job; undefined
   * when the lease isn't held.
   */
  lose(leaseId: LeaseId): JobId | undefined {
    const held = this.#held.get(leaseId);
    if (held === undefined) return undefined;
    held.run?.lose();
    this.#close(leaseId);
    return held.jobId;
  }

  #close(leaseId: LeaseId): void {
    this.#held.delete(leaseId);
    this.#closed.add(leaseId);
    const [oldest] = this.#closed;
    if (this.#closed.size > closedMax && oldest !== undefined) this.#closed.delete(oldest);
  }
}
