import { stat } from 'node:fs/promises';
import { type Clock, sleep } from '@karst/shared/clock.ts';
import type { Stop } from '@karst/shared/protocol/node-settings.ts';
import { toolOutput } from './tool-output.ts';

const lookEveryMs = 2000;
const commandTimeoutMs = 5000;

export interface IdleOptions {
  /** Nobody must have used the machine for this long. */
  idleMs: number;
  /** What becomes of running leases when a person returns. */
  stop: Stop;
  /** Shell that prints for how many seconds nobody has used the machine; replaces our own look. */
  command?: string;
  /** The display of a person's X session, if the agent may ask it. */
  display?: string;
}

/** Watches whether a person uses this machine: a node of this kind works only while nobody does. */
export class IdleGuard {
  readonly #options: IdleOptions;
  readonly #clock: Clock;
  #reason: string | undefined = 'not known yet whether somebody uses this machine';

  constructor(options: IdleOptions, clock: Clock) {
    this.#options = options;
    this.#clock = clock;
  }

  get stop(): Stop {
    return this.#options.stop;
  }

  /** Why the machine counts as used; undefined: nobody uses it. */
  get reason(): string | undefined {
    return this.#reason;
  }

  /** Looks now. */
  async look(): Promise<void> {
    const { command, idleMs } = this.#options;
    const idle = command === undefined ? await this.#sessions() : await askCommand(command);
    if (typeof idle === 'string') this.#reason = idle;
    else if (idle >= idleMs) this.#reason = undefined;
    else
      this.#reason = `somebody uses this machine (needs ${Math.round(idleMs / 60_000)} min of rest)`;
  }

  /** Looks periodically and calls `changed` after each look that changed the answer. */
  async watch(changed: () => void, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const before = this.#reason;
      await this.look();
      if (this.#reason !== before) changed();
      await sleep(lookEveryMs, signal).catch(() => undefined);
    }
  }

  /**
   * For how long nobody has touched any session, ms: terminals of logged-in people by their last input,
   * an X session by what xprintidle says. A graphical session that can't be asked counts as in use.
   * Answers why when it can't be told.
   */
  async #sessions(): Promise<number | string> {
    const text = await toolOutput('who', []);
    if (text === undefined) return '`who` does not work here: set KARST_IDLE_COMMAND';
    const { terminals, graphical } = readWho(text);
    const nowMs = this.#clock.nowMs();
    const idle = await Promise.all(terminals.map((name) => terminalIdleMs(name, nowMs)));
    const { display } = this.#options;
    if (display !== undefined || graphical) {
      const asked = await xIdleMs(display ?? ':0');
      if (asked === undefined) {
        return 'a graphical session is open and xprintidle can not ask it: set KARST_IDLE_COMMAND';
      }
      idle.push(asked);
    }
    return Math.min(Number.MAX_SAFE_INTEGER, ...idle);
  }
}

/** `who`: `ana  pts/3  2026-01-05 10:12 (host)`, `ana  :0  …` or `seat0` for a graphical session. */
export function readWho(text: string): { terminals: string[]; graphical: boolean } {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  const names = lines.map((line) => line.trim().split(/\s+/)[1] ?? '');
  const isTerminal = (name: string) => /^(tty|pts\/)\d+$/.test(name);
  // A Wayland or X session is told as `:0` or `seat0`, or as a tty with the display in brackets.
  const graphical =
    names.some((name) => name.startsWith(':') || name.startsWith('seat')) ||
    lines.some((line) => /\((:\d+|login screen|seat\d+)\)/.test(line));
  return { terminals: names.filter(isTerminal), graphical };
}

/** Input moves a terminal's time of access. One that is gone is nobody's. */
async function terminalIdleMs(name: string, nowMs: number): Promise<number> {
  const info = await stat(`/dev/${name}`).catch(() => undefined);
  return info === undefined ? Number.MAX_SAFE_INTEGER : Math.max(0, nowMs - info.atimeMs);
}

async function xIdleMs(display: string | undefined): Promise<number | undefined> {
  // env(1) sets the display without taking away the cookie's variable, XAUTHORITY.
  const text = await toolOutput('env', [
    ...(display === undefined ? [] : [`DISPLAY=${display}`]),
    'xprintidle',
  ]);
  return readNumber(text);
}

async function askCommand(command: string): Promise<number | string> {
  const text = await toolOutput('/bin/sh', ['-c', command], { timeoutMs: commandTimeoutMs });
  const seconds = readNumber(text);
  if (seconds !== undefined) return 1000 * seconds;
  const said = text === undefined ? 'failed' : `printed ${JSON.stringify(text.slice(0, 80))}`;
  return `KARST_IDLE_COMMAND ${said}, expected seconds`;
}

function readNumber(text: string | undefined): number | undefined {
  const number = Number(text?.trim() || Number.NaN);
  return Number.isFinite(number) ? number : undefined;
}
