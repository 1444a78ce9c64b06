import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream, type WriteStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { type Clock, sleep } from '@karst/shared/clock.ts';
import type { Random } from '@karst/shared/random.ts';
import { backoffMs } from '../api/backoff.ts';
import { CliError, messageOf } from '../failure.ts';
import { logTail, rotateLog } from './log-file.ts';

export interface ProcessCommand {
  program: string;
  args: readonly string[];
  env: NodeJS.ProcessEnv;
}

export interface ProcessSpec {
  /** For people: "the orchestrator". */
  title: string;
  logFile: string;
  /** Asked before every start: what it needs may be good for one start only. */
  command: () => Promise<ProcessCommand>;
  /**
   * When it works: at this `{"event": …}` line on its stdout, or once a check passes. A check rejects
   * to say that it never will, and ends with the signal.
   */
  ready: { event: string } | { check: (signal: AbortSignal) => Promise<void> };
  readyMsMax: number;
  /** How long it may take to stop by itself; undefined: as long as it needs. */
  stopMsMax: number | undefined;
}

export interface Supervision {
  clock: Clock;
  random: Random;
  /** Told when a process died and is started again. */
  onTrouble: (line: string) => void;
}

type Event = Record<string, unknown>;

const restartBackoff = { firstDelayMs: 500, delayMsMax: 10_000 };
/** A process that ran this long before it died is started again at once. */
const STEADY_MS = 30_000;
const KILL_MS = 5000;

/** One child process: started, watched, started again when it dies, and stopped. */
export class SupervisedProcess {
  readonly #spec: ProcessSpec;
  readonly #supervision: Supervision;
  readonly #stopping = new AbortController();
  #child: ChildProcess | undefined;
  #exited: Promise<string> = Promise.resolve('not started');
  #watching: Promise<void> = Promise.resolve();

  constructor(spec: ProcessSpec, supervision: Supervision) {
    this.#spec = spec;
    this.#supervision = supervision;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Resolves with its ready event; rejects with the end of its log when it does not get there. */
  async start(): Promise<Event> {
    await rotateLog(this.#spec.logFile);
    const event = await this.#startOnce();
    this.#watching = this.#keepRunning();
    return event;
  }

  /** SIGTERM, and when its time is up or `now` aborts, closes its stdin, then kills it. */
  async stop(now: AbortSignal): Promise<void> {
    this.#stopping.abort();
    await this.#end(now);
    await this.#watching;
  }

  async #startOnce(): Promise<Event> {
    const { title, logFile, readyMsMax } = this.#spec;
    const startedUp = new AbortController();
    const { ready } = await this.#spawn(startedUp.signal);
    const died = this.#exited.then((how) => {
      throw new Error(`${how} before it was ready`);
    });
    const late = sleep(readyMsMax, startedUp.signal).then(() => {
      throw new Error(`was not ready after ${Math.round(readyMsMax / 1000)} s`);
    });
    const outcomes: Promise<Event>[] = [ready, died, late];
    // Those that lose the race may still fail, and that no longer matters.
    for (const outcome of outcomes) outcome.catch(() => undefined);
    try {
      return await Promise.race(outcomes);
    } catch (error) {
      await this.#end(AbortSignal.abort());
      const why = error instanceof Error ? error.message : String(error);
      throw new CliError(`${capitalized(title)} ${why}. The end of ${logFile}:`, {
        details: await logTail(logFile),
        cause: error,
      });
    } finally {
      startedUp.abort();
    }
  }

  /** Starts the process; answers when it is ready. */
  async #spawn(signal: AbortSignal): Promise<{ ready: Promise<Event> }> {
    const { command, logFile, ready } = this.#spec;
    const { program, args, env } = await command();
    const log = await open(logFile, 'a', 0o600);
    try {
      if (this.#stopping.signal.aborted) throw new Error('was stopped');
      // stderr goes to the file itself: when we are killed, the child must not die of a broken pipe
      // in the middle of ending well. Its own session keeps the terminal's Ctrl-C from it.
      const stdio = ['pipe', 'pipe', log.fd] as const;
      const child = spawn(program, args, { env, stdio: [...stdio], detached: true });
      this.#child = child;
      this.#exited = new Promise((resolve) => {
        child.on('error', (error) => resolve(`could not be started (${error.message})`));
        child.on('exit', (code, killed) => {
          resolve(killed === null ? `ended with exit code ${code}` : `was ended by ${killed}`);
        });
      });
      // Writing nothing, an error here means that it died, which is told otherwise.
      child.stdin?.on('error', () => undefined);
      const out = createWriteStream(logFile, { flags: 'a', mode: 0o600 });
      const announced = this.#readStdout(child, out);
      if ('event' in ready) return { ready: announced };
      return { ready: ready.check(signal).then(() => ({})) };
    } finally {
      await log.close();
    }
  }

  /** Event lines are for us, anything else for the log. */
  #readStdout(child: ChildProcess, log: WriteStream): Promise<Event> {
    const { ready } = this.#spec;
    const { promise, resolve } = Promise.withResolvers<Event>();
    if (child.stdout === null) return promise;
    const lines = createInterface({ input: child.stdout });
    lines.on('line', (line) => {
      const event = parseEvent(line);
      if (event !== undefined && 'event' in ready && event.event === ready.event) resolve(event);
      log.write(`${line}\n`);
    });
    lines.on('close', () => log.end());
    return promise;
  }

  async #keepRunning(): Promise<void> {
    const { clock, random, onTrouble } = this.#supervision;
    const { signal } = this.#stopping;
    for (let failures = 0; !signal.aborted; ) {
      const startedAtMs = clock.monotonicMs();
      const how = await this.#exited;
      if (signal.aborted) return;
      if (clock.monotonicMs() - startedAtMs > STEADY_MS) failures = 0;
      failures++;
      onTrouble(
        `${capitalized(this.#spec.title)} ${how}; starting it again (${this.#spec.logFile}).`,
      );
      await sleep(backoffMs(restartBackoff, failures, random), signal).catch(() => undefined);
      if (signal.aborted) return;
      await this.#startOnce().catch((error: unknown) => {
        if (signal.aborted) return;
        onTrouble(messageOf(error));
        if (error instanceof CliError) for (const line of error.details) onTrouble(`  ${line}`);
      });
    }
  }

  async #end(now: AbortSignal): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    if (!now.aborted) {
      child.kill('SIGTERM');
      const waited = new AbortController();
      const limits = [untilAborted(now, waited.signal)];
      if (this.#spec.stopMsMax !== undefined)
        limits.push(sleep(this.#spec.stopMsMax, waited.signal));
      for (const limit of limits) limit.catch(() => undefined);
      await Promise.race([this.#exited, ...limits]);
      waited.abort();
    }
    // Our children take a closed stdin as "end at once, and leave nothing behind".
    child.stdin?.end();
    const waited = new AbortController();
    const tooLong = sleep(KILL_MS, waited.signal).then(() => child.kill('SIGKILL'));
    tooLong.catch(() => undefined);
    await this.#exited;
    waited.abort();
  }
}

function untilAborted(signal: AbortSignal, unless: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true, signal: unless });
  });
}

function parseEvent(line: string): Event | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? { ...value } : undefined;
  } catch {
    // A line for the log.
    return undefined;
  }
}

const capitalized = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);
