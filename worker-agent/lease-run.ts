import { join } from 'node:path';
import { sleep } from '@karst/shared/clock.ts';
import { adaptiveChunks } from '@karst/shared/openjd/adaptive-chunks.ts';
import type { Grant, LeaseDefinition, TaskResult } from '@karst/shared/protocol/lease.ts';
import { ok, type Result } from '@karst/shared/result.ts';
import type { AgentParts } from './agent-parts.ts';
import { type InputsFailure, materializeInputs } from './inputs/materialize.ts';
import { type OutputPolicy, OutputWatch } from './outputs/output-watch.ts';
import { Publisher } from './outputs/publisher.ts';
import { StopWithin } from './process/supervise.ts';
import type { TaskLog } from './process/task-log.ts';
import { type Failure, failedResult } from './session/failure.ts';
import { FailureSigns } from './session/failure-signs.ts';
import { leaseHost } from './session/lease-host.ts';
import { LiveSession } from './session/live-session.ts';
import { Session } from './session/session.ts';
import { sessionKey } from './session/session-key.ts';
import { readOnlyPlaces } from './session/session-outputs.ts';
import type { SessionStep } from './session/session-step.ts';
import type { HostEnvironment } from './session/task-environment.ts';
import { runTask, type TaskSurroundings } from './session/task-run.ts';
import { gangVariables } from './sync/gang-board.ts';

/** Why a lease's unfinished tasks are given back. */
export const returnedBecause = {
  draining: 'the node is draining',
  stopped: 'the agent was stopped',
  expired: 'the node lost contact with the orchestrator',
} as const;

/**
 * Runs the tasks of one lease, one after the other, in a session that a lease of the job left behind in
 * the same environments or in a new one; a task that fails ends it, and the next one gets another. Every task gets exactly
 * one result, a chunk one for all of it, unless the lease is lost: then nobody wants any.
 */
export class LeaseRun {
  readonly grant: Grant;
  readonly #parts: AgentParts;
  readonly #onResult: (result: TaskResult) => void;
  readonly #stop = new AbortController();
  readonly #kill = new AbortController();
  /** Nothing more of it is to begin. */
  readonly #drain = new AbortController();
  readonly #interrupted = AbortSignal.any([this.#stop.signal, this.#kill.signal]);
  /** Nothing of the lease runs any more. */
  readonly #over = new AbortController();
  /** Environments that are being exited are to be killed too. */
  readonly #cut = new AbortController();
  #drained = false;
  /** Others need the room: its session is not kept. */
  #preempted = false;
  #lost = false;
  /** Killed by us for good: nothing more is run, not even to leave an environment. */
  #killed = false;
  /** This machine as the lease may use it. */
  #host: HostEnvironment;
  /** Sessions opened so far. */
  #opened = 0;
  #giveBack: string = returnedBecause.draining;
  #signs = new FailureSigns([]);
  #silence: LeaseDefinition['silence'];
  #isGang = false;
  #checks: LeaseDefinition['outputChecks'];
  #locations: LeaseDefinition['locations'] = {};
  #partChecksum: LeaseDefinition['partChecksum'] = 'md5';
  /** The first task without a result. */
  #next: number;
  /** The span is one chunk, with one result. */
  #isChunk = false;

  constructor(grant: Grant, parts: AgentParts, onResult: (result: TaskResult) => void) {
    this.grant = grant;
    this.#parts = parts;
    this.#onResult = onResult;
    this.#host = parts.host;
    this.#next = grant.first;
  }

  /** Finish the task that runs, give back the rest. */
  drain(message: string = returnedBecause.draining): void {
    if (!this.#drained) this.#giveBack = message;
    this.#drained = true;
    this.#drain.abort();
  }

  /** End the task that runs the way its template says; give it back with the rest. */
  stop(): void {
    this.#drained = true;
    this.#giveBack = returnedBecause.stopped;
    this.#stop.abort();
  }

  /** As stop, for others that need the room; what still runs after `graceMs` is killed. */
  preempt(message: string, graceMs: number): void {
    this.#drained = true;
    this.#preempted = true;
    this.#giveBack = message;
    this.#stop.abort(new StopWithin(graceMs));
    void sleep(graceMs, this.#over.signal).then(
      () => this.kill(message),
      () => undefined,
    );
  }

  /** Kill at once; give back what has no result. */
  kill(message: string): void {
    this.#drained = true;
    this.#killed = true;
    this.#giveBack = message;
    this.#kill.abort();
    this.#cut.abort();
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
    } finally {
      this.#over.abort();
    }
  }

  async #runAll(log: TaskLog): Promise<void> {
    if (this.#drained) {
      this.#returnRest(this.#giveBack);
      return;
    }
    const { sessions, host, gpus } = this.#parts;
    this.#host = leaseHost(host, this.grant.resources, gpus);
    const definition = await this.#define();
    if (definition === undefined) return;
    this.#isChunk = adaptiveChunks(definition.definition.parameterSpace) !== undefined;
    this.#signs = new FailureSigns(definition.failureRules ?? []);
    this.#silence = definition.silence;
    this.#isGang = definition.gang === true;
    this.#checks = definition.outputChecks;
    this.#locations = definition.locations;
    this.#partChecksum = definition.partChecksum;
    const key = sessionKey(this.grant, definition);
    let live = await sessions.enter(key, this.grant.step);
    try {
      while (this.#next <= this.grant.last) {
        const isKept = live !== undefined;
        live ??= this.#newSession(definition);
        const step = await this.#enterStep(live, definition, isKept);
        if (step !== undefined) await this.#runTasks(live, step, log);
        if (live.sound) return;
        const broken: LiveSession = live;
        live = undefined;
        await sessions.end(broken, !this.#killed, this.#cut.signal);
        if (step !== undefined && !broken.entered) {
          this.#returnRest('its environments could not be entered here');
        }
      }
    } finally {
      const isOver = this.#lost || this.#killed || this.#preempted;
      if (live !== undefined && isOver) live.sound = false;
      sessions.leave(key, live);
    }
  }

  /** What to run. Undefined when that can't be had, and everything is said. */
  async #define(): Promise<LeaseDefinition | undefined> {
    const startedAtMs = this.#parts.clock.nowMs();
    const definition = await this.#parts.definitions.get(this.grant, this.#interrupted);
    if (definition.ok) return definition.value;
    const { error } = definition;
    if (error.kind === 'problem' && error.code === 'lease_lost') this.lose();
    else if (error.kind === 'aborted') this.#returnRest(this.#giveBack);
    else this.#failAll({ kind: 'node', message: `no definition: ${error.message}` }, startedAtMs);
    return undefined;
  }

  #newSession(definition: LeaseDefinition): LiveSession {
    const { leaseId } = this.grant;
    const name = this.#opened === 0 ? leaseId : `${leaseId}-${this.#opened}`;
    this.#opened += 1;
    const session = new Session(join(this.#parts.sessionsDir, name), definition);
    return new LiveSession(session, { ...this.#parts, host: this.#host });
  }

  /**
   * Makes a session ready for the step's tasks. Undefined when that failed: everything is said then, or
   * the session, which was `isKept`, has to make room for a new one.
   */
  async #enterStep(
    live: LiveSession,
    definition: LeaseDefinition,
    isKept: boolean,
  ): Promise<SessionStep | undefined> {
    const { judge, clock, logger } = this.#parts;
    const startedAtMs = clock.nowMs();
    const { session } = live;
    let failure: Failure;
    try {
      if (!isKept) await session.open();
      const step = await session.enterStep(definition.definition);
      const brought = await this.#bringInputs(session, definition);
      if (brought.ok) return step;
      live.sound = false;
      if (brought.error.kind === 'aborted') {
        this.#returnRest(this.#giveBack);
        return undefined;
      }
      failure = brought.error;
    } catch (error) {
      live.sound = false;
      if (isKept) {
        logger.warn({ error, dir: session.dir }, 'a kept session is of no use to another step');
        return undefined;
      }
      failure = judge.nodeFailure(error);
    }
    this.#failAll(failure, startedAtMs);
    return undefined;
  }

  /** The outputs of steps that this one depends on may have changed since its last lease. */
  async #bringInputs(
    session: Session,
    leased: LeaseDefinition,
  ): Promise<Result<null, InputsFailure>> {
    const { definition, hasInputs } = leased;
    const { step } = this.grant;
    if (session.step === step && definition.dependsOn.length === 0) return ok(null);
    session.step = undefined;
    let brought: Result<null, InputsFailure> = ok(null);
    if (hasInputs) {
      const places = { tree: session.tree, isReadOnly: readOnlyPlaces(leased) };
      brought = await materializeInputs(this.#parts, this.grant, places, this.#interrupted);
    } else {
      await session.tree.prepare(new Map(), step);
    }
    if (brought.ok) session.step = step;
    return brought;
  }

  /** Until all have run, or the session must be ended. */
  async #runTasks(live: LiveSession, step: SessionStep, log: TaskLog): Promise<void> {
    if (this.#isGang && !(await this.#joinGang())) {
      this.#returnRest(this.#giveBack);
      return;
    }
    const around = this.#surroundings(live, step, log);
    while (this.#next <= this.grant.last) {
      if (this.#drained || this.#lost) {
        this.#returnRest(this.#giveBack);
        return;
      }
      const end = await runTask(around, this.#next);
      if (end.kind === 'interrupted') {
        this.#returnRest(this.#giveBack);
        return;
      }
      this.#emit(end.result);
      if (!live.sound) return;
    }
  }

  /** All is ready: waits for the other tasks of its gang. False: it is to end before they are. */
  async #joinGang(): Promise<boolean> {
    const ended = AbortSignal.any([this.#interrupted, this.#drain.signal]);
    const start = await this.#parts.gangs.join(this.grant.leaseId, ended);
    if (start === undefined) return false;
    const variables = gangVariables(start, this.grant.first);
    this.#host = { ...this.#host, reserved: { ...this.#host.reserved, ...variables } };
    return true;
  }

  #surroundings(live: LiveSession, step: SessionStep, log: TaskLog): TaskSurroundings {
    const { client, connections, leftovers, spawner, tails, judge, keeper, clock } = this.#parts;
    const { leaseId } = this.grant;
    const sources = { ...this.#parts, partChecksum: this.#partChecksum };
    return {
      grant: this.grant,
      live,
      step,
      log,
      outputs: new OutputWatch(step.outputs, this.#outputPolicy(live.session)),
      publisher: new Publisher(client, connections, leaseId, this.#kill.signal, sources),
      host: this.#host,
      leftovers,
      spawner,
      tails,
      judge,
      signs: this.#signs,
      silence: this.#silence,
      keeper,
      clock,
      stop: this.#stop.signal,
      kill: this.#kill.signal,
    };
  }

  #outputPolicy({ job, tree }: Session): OutputPolicy {
    return {
      checks: this.#checks ?? [],
      isGang: this.#isGang,
      job: { parameters: job.parameters, locations: this.#locations },
      filesDir: tree.dir,
      partChecksum: this.#partChecksum,
      searchPath: this.#host.path,
      ended: this.#kill.signal,
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
    const range = { first: this.#next, last: this.#isChunk ? this.grant.last : this.#next };
    this.#emit(failedResult(range, startedAtMs, endedAtMs, failure, undefined));
  }

  /** Nothing of the span can run here: each task learns why, so that each is retried by the rules. */
  #failAll(failure: Failure, startedAtMs: number): void {
    while (this.#next <= this.grant.last) this.#failNext(failure, startedAtMs);
  }
}
