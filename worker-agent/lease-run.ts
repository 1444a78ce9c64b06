import { join } from 'node:path';
import type { Grant, LeaseDefinition, TaskResult } from '@karst/shared/protocol/lease.ts';
import type { AgentParts } from './agent-parts.ts';
import { materializeInputs } from './inputs/materialize.ts';
import { OutputWatch } from './outputs/output-watch.ts';
import { Publisher } from './outputs/publisher.ts';
import type { TaskLog } from './process/task-log.ts';
import { type Failure, failedResult } from './session/failure.ts';
import { Session } from './session/session.ts';
import { runTask, type TaskSurroundings } from './session/task-run.ts';

/** Why a lease's unfinished tasks are given back. */
export const returnedBecause = {
  draining: 'the node is draining',
  stopped: 'the agent was stopped',
  expired: 'the node lost contact with the orchestrator',
} as const;

/**
 * Runs the tasks of one lease, one after the other, in one session. Every task gets exactly one
 * result, unless the lease is lost: then nobody wants any.
 */
export class LeaseRun {
  readonly grant: Grant;
  readonly #parts: AgentParts;
  readonly #onResult: (result: TaskResult) => void;
  readonly #stop = new AbortController();
  readonly #kill = new AbortController();
  readonly #interrupted = AbortSignal.any([this.#stop.signal, this.#kill.signal]);
  #drained = false;
  #lost = false;
  #giveBack: string = returnedBecause.draining;
  /** The first task without a result. */
  #next: number;

  constructor(grant: Grant, parts: AgentParts, onResult: (result: TaskResult) => void) {
    this.grant = grant;
    this.#parts = parts;
    this.#onResult = onResult;
    this.#next = grant.first;
  }

  /** Finish the task that runs, give back the rest. */
  drain(): void {
    this.#drained = true;
  }

  /** End the task that runs the way its template says; give it back with the rest. */
  stop(): void {
    this.#drained = true;
    this.#giveBack = returnedBecause.stopped;
    this.#stop.abort();
  }

  /** Kill at once; give back what has no result. */
  kill(message: string): void {
    this.#drained = true;
    this.#giveBack = message;
    this.#kill.abort();
  }

  /** The lease is somebody else's now: kill at once and report nothing more. */
  lose(): void {
    this.#lost = true;
    this.#kill.abort();
  }

  /** Settles when nothing of the lease runs any more, and never rejects. `log` is the slot's. */
  async run(log: TaskLog): Promise<void> {
    try {
      await this.#runAll(log);
    } catch (error) {
      const startedAtMs = this.#parts.clock.nowMs();
      this.#parts.logger.error({ error, leaseId: this.grant.leaseId }, 'a lease broke off');
      this.#failNext(this.#parts.judge.nodeFailure(error), startedAtMs);
      this.#returnRest('an earlier task of the span broke the session');
    }
  }

  async #runAll(log: TaskLog): Promise<void> {
    if (this.#drained) {
      this.#returnRest(this.#giveBack);
      return;
    }
    const startedAtMs = this.#parts.clock.nowMs();
    const definition = await this.#parts.definitions.get(this.grant, this.#interrupted);
    if (!definition.ok) {
      const { error } = definition;
      if (error.kind === 'problem' && error.code === 'lease_lost') this.lose();
      else if (error.kind === 'aborted') this.#returnRest(this.#giveBack);
      else this.#failAll({ kind: 'node', message: `no definition: ${error.message}` }, startedAtMs);
      return;
    }
    const dir = join(this.#parts.sessionsDir, this.grant.leaseId);
    const session = new Session(dir, definition.value);
    try {
      if (await this.#prepare(session, definition.value)) await this.#runTasks(session, log);
    } finally {
      // The slot goes on meanwhile; what can't be removed is removed at the next start.
      session
        .close()
        .catch((error: unknown) => this.#parts.logger.warn({ error, dir }, 'session left'));
    }
  }

  async #prepare(session: Session, definition: LeaseDefinition): Promise<boolean> {
    const { judge, clock } = this.#parts;
    const startedAtMs = clock.nowMs();
    let failure: Failure;
    try {
      await session.open();
      if (!definition.hasInputs) return true;
      const { leaseId } = this.grant;
      const brought = await materializeInputs(
        this.#parts,
        leaseId,
        session.filesDir,
        this.#interrupted,
      );
      if (brought.ok) return true;
      if (brought.error.kind === 'aborted') {
        this.#returnRest(this.#giveBack);
        return false;
      }
      failure = brought.error;
    } catch (error) {
      failure = judge.nodeFailure(error);
    }
    this.#failAll(failure, startedAtMs);
    return false;
  }

  async #runTasks(session: Session, log: TaskLog): Promise<void> {
    const { first, last } = this.grant;
    const around = this.#surroundings(session, log);
    for (let index = first; index <= last; index++) {
      if (this.#drained || this.#lost) {
        this.#returnRest(this.#giveBack);
        return;
      }
      const end = await runTask(around, index);
      if (end.kind === 'interrupted') {
        this.#returnRest(this.#giveBack);
        return;
      }
      this.#emit(end.result);
    }
  }

  #surroundings(session: Session, log: TaskLog): TaskSurroundings {
    const { client, connections, host, leftovers, spawner, tails, judge, keeper, clock } =
      this.#parts;
    const { leaseId } = this.grant;
    return {
      grant: this.grant,
      session,
      log,
      outputs: new OutputWatch(session.outputs),
      publisher: new Publisher(client, connections, leaseId, this.#kill.signal, this.#parts),
      host,
      leftovers,
      spawner,
      tails,
      judge,
      keeper,
      clock,
      stop: this.#stop.signal,
      kill: this.#kill.signal,
    };
  }

  #emit(result: TaskResult): void {
    this.#next = result.last + 1;
    if (!this.#lost) this.#onResult(result);
  }

  #returnRest(message: string): void {
    const { last } = this.grant;
    if (this.#next > last) return;
    this.#emit({ outcome: 'returned', first: this.#next, last, message });
  }

  #failNext(failure: Failure, startedAtMs: number): void {
    if (this.#next > this.grant.last) return;
    const endedAtMs = this.#parts.clock.nowMs();
    this.#emit(failedResult(this.#next, startedAtMs, endedAtMs, failure, undefined));
  }

  /** Nothing of the span can run here: each task learns why, so that each is retried by the rules. */
  #failAll(failure: Failure, startedAtMs: number): void {
    while (this.#next <= this.grant.last) this.#failNext(failure, startedAtMs);
  }
}
