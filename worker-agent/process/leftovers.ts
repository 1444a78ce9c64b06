import { sleep } from '@karst/shared/clock.ts';
import type { LeaseId } from '@karst/shared/protocol/ids.ts';
import { type Belongs, killMarked, marker } from './kill-tree.ts';

/** A sweep costs some milliseconds, so short tasks share one. */
const sweepEveryMs = 1000;

/**
 * Ends what tasks leave behind. What stayed in the task's process group dies with the task; what moved
 * out of it is found through /proc by its environment: at once after a task that ran for a while or
 * has outputs, within a second after the others.
 */
export class Leftovers {
  readonly #agentDir: string;
  readonly #running = new Map<LeaseId, number>();
  readonly #sessions = new Set<string>();
  readonly #closed = new AbortController();
  #sweeping: Promise<void> | undefined;

  constructor(agentDir: string) {
    this.#agentDir = agentDir;
  }

  /** Whether a process is one of task `task` of a lease. */
  belongsTo(leaseId: LeaseId, task: number): Belongs {
    const text = String(task);
    return (variables) =>
      variables.get(marker.agentDir) === this.#agentDir &&
      variables.get(marker.lease) === leaseId &&
      variables.get(marker.task) === text;
  }

  /** Whether a process is one that the action of an environment started. */
  belongsToAction(sessionId: string, action: string): Belongs {
    return (variables) =>
      this.#belongsToSession(variables, sessionId) && variables.get(marker.action) === action;
  }

  /** From here on what environments of the session start outlives the action that started it. */
  sessionOpened(sessionId: string): void {
    this.#sessions.add(sessionId);
  }

  /** Kills what the session's environments have left running. */
  async sessionEnded(sessionId: string): Promise<void> {
    if (!this.#sessions.delete(sessionId)) return;
    await killMarked((variables) => this.#belongsToSession(variables, sessionId));
  }

  /** To be called before the task's process starts. */
  started(leaseId: LeaseId, task: number): void {
    this.#running.set(leaseId, task);
  }

  /** After the task's own process ended and its group was killed. `thorough` waits until nothing of it is left. */
  async ended(leaseId: LeaseId, thorough: boolean): Promise<void> {
    this.#running.delete(leaseId);
    if (thorough) await killMarked(this.#belongsToNoRunningTask);
    else this.#sweeping ??= this.#sweepSoon();
  }

  /** Kills every process that a task of this agent, or of a former one with its directory, left. */
  async sweep(): Promise<number> {
    return await killMarked(this.#belongsToNoRunningTask);
  }

  /** A last sweep; none is left to be done later. */
  async close(): Promise<void> {
    this.#closed.abort();
    await this.#sweeping;
    await this.sweep();
  }

  async #sweepSoon(): Promise<void> {
    await sleep(sweepEveryMs, this.#closed.signal).catch(() => undefined);
    this.#sweeping = undefined;
    await this.sweep();
  }

  #belongsToSession(variables: ReadonlyMap<string, string>, sessionId: string): boolean {
    return (
      variables.get(marker.agentDir) === this.#agentDir &&
      variables.get(marker.session) === sessionId
    );
  }

  readonly #belongsToNoRunningTask: Belongs = (variables) => {
    if (variables.get(marker.agentDir) !== this.#agentDir) return false;
    const sessionId = variables.get(marker.session);
    if (sessionId !== undefined && this.#sessions.has(sessionId)) return false;
    for (const [leaseId, task] of this.#running) {
      if (variables.get(marker.lease) === leaseId && variables.get(marker.task) === String(task)) {
        return false;
      }
    }
    return true;
  };
}
