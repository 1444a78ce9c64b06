import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Clock } from '@karst/shared/clock.ts';
import type { ProcessEnd } from './spawn.ts';
import { isSpawnNews, type SpawnNews, type SpawnOrder } from './spawn-order.ts';

const helperPath = fileURLToPath(new URL('./spawn-helper.ts', import.meta.url));

/** Renewed deadlines closer together than this are not worth a message. */
const deadlineStepMs = 250;

export interface StartOptions {
  command: string;
  args: string[];
  cwd: string;
  /** The whole environment. */
  env: Record<string, string>;
  logPath: string;
  /** What it leaves running in its process group may go on. */
  keepsGroup?: boolean;
}

/** A task's process, on its way or running. */
export interface TaskProcess {
  /** The process id, also its group's; undefined when it couldn't be started. */
  readonly started: Promise<number | undefined>;
  readonly ended: Promise<ProcessEnd>;
}

interface Pending {
  started: (pid: number | undefined) => void;
  ended: (end: ProcessEnd) => void;
}

/** Starts tasks through the spawn helper (see spawn-helper.ts), which it starts again if it dies. */
export class TaskSpawner {
  readonly #agentDir: string;
  readonly #pending = new Map<number, Pending>();
  #helper: ChildProcess | undefined;
  #nextId = 1;
  readonly #clock: Clock;
  #deadlineMs: number | undefined;

  constructor(agentDir: string, clock: Clock) {
    this.#agentDir = agentDir;
    this.#clock = clock;
  }

  /** Starts the helper, so that the first task need not wait for it. */
  open(): void {
    this.#helper ??= this.#startHelper();
  }

  start(options: StartOptions): TaskProcess {
    const id = this.#nextId++;
    const started = Promise.withResolvers<number | undefined>();
    const ended = Promise.withResolvers<ProcessEnd>();
    this.#pending.set(id, { started: started.resolve, ended: ended.resolve });
    this.#send({ kind: 'start', id, ...options });
    return { started: started.promise, ended: ended.promise };
  }

  /** Until when (monotonic) tasks may run without this process saying so again. */
  renew(deadlineMs: number): void {
    if (deadlineMs - (this.#deadlineMs ?? Number.NEGATIVE_INFINITY) < deadlineStepMs) return;
    this.#deadlineMs = deadlineMs;
    if (this.#helper !== undefined) this.#tellDeadline(this.#helper);
  }

  /** Ends the helper, and with it every task that still runs. */
  async close(): Promise<void> {
    const helper = this.#helper;
    if (helper === undefined || !helper.connected) return;
    const exited = new Promise<void>((resolve) => helper.once('exit', () => resolve()));
    helper.disconnect();
    await exited;
  }

  #send(order: SpawnOrder): void {
    this.#helper ??= this.#startHelper();
    // A send that fails means that it is gone; its exit says the rest.
    this.#helper.send(order, () => undefined);
  }

  #tellDeadline(helper: ChildProcess): void {
    if (this.#deadlineMs === undefined) return;
    const leftMs = this.#deadlineMs - this.#clock.monotonicMs();
    helper.send({ kind: 'deadline', leftMs } satisfies SpawnOrder, () => undefined);
  }

  #startHelper(): ChildProcess {
    const helper = fork(helperPath, [this.#agentDir], {
      detached: true,
      env: {},
      execArgv: [],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    helper.on('message', (message: unknown) => {
      if (isSpawnNews(message)) this.#hear(message);
    });
    helper.on('error', () => this.#helperGone(helper));
    helper.on('exit', () => this.#helperGone(helper));
    this.#tellDeadline(helper);
    return helper;
  }

  #hear(news: SpawnNews): void {
    const pending = this.#pending.get(news.id);
    if (pending === undefined) return;
    if (news.kind === 'started') {
      pending.started(news.pid);
      return;
    }
    this.#pending.delete(news.id);
    pending.started(undefined);
    pending.ended(news.end);
  }

  /** Nobody can tell how its tasks end, so they fail as the node's fault; leftovers are swept. The next start order starts another helper. */
  #helperGone(helper: ChildProcess): void {
    if (this.#helper !== helper) return;
    this.#helper = undefined;
    const message = 'the process that starts tasks died';
    for (const { started, ended } of this.#pending.values()) {
      started(undefined);
      ended({ kind: 'unstartable', code: 'HELPER', message });
    }
    this.#pending.clear();
  }
}
