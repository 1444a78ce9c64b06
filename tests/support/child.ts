import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

/** A real process of a test. Its stderr is kept, to be shown when something fails. */
export class Child {
  readonly name: string;
  readonly process: ChildProcess;
  private readonly lines: string[] = [];
  private readonly waiting = new Set<() => void>();
  private errors = '';
  private readonly ended: Promise<void>;

  constructor(
    name: string,
    command: string,
    args: readonly string[],
    env: Record<string, string | undefined>,
    cwd?: string,
  ) {
    this.name = name;
    const compiled = { NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE };
    this.process = spawn(command, args, {
      env: { ...compiled, ...env },
      cwd,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    this.process.stdin?.on('error', () => undefined);
    this.process.stderr?.on('data', (data: Buffer) => {
      this.errors = (this.errors + data.toString()).slice(-200_000);
    });
    if (this.process.stdout) {
      createInterface({ input: this.process.stdout }).on('line', (line) => {
        this.lines.push(line);
        for (const wake of this.waiting) wake();
      });
    }
    this.ended = once(this.process, 'exit').then(() => {
      for (const wake of this.waiting) wake();
    });
  }

  get pid(): number {
    const { pid } = this.process;
    if (pid === undefined) throw new Error(`${this.name} did not start`);
    return pid;
  }

  get stderr(): string {
    return this.errors;
  }

  get stdout(): readonly string[] {
    return this.lines;
  }

  get running(): boolean {
    return this.process.exitCode === null && this.process.signalCode === null;
  }

  /** The first stdout line, past or future, for which `pick` gives something. */
  async line<T>(pick: (line: string) => T | undefined): Promise<T> {
    let seen = 0;
    for (;;) {
      for (; seen < this.lines.length; seen++) {
        const found = pick(this.lines[seen] ?? '');
        if (found !== undefined) return found;
      }
      if (!this.running) {
        throw new Error(
          `${this.name} ended (${this.process.exitCode}) before it said so:\n${this.errors}`,
        );
      }
      await new Promise<void>((resolve) => {
        const wake = () => {
          this.waiting.delete(wake);
          resolve();
        };
        this.waiting.add(wake);
      });
    }
  }

  /** The first JSON line whose `event` is `name`. */
  event(name: string): Promise<Record<string, unknown>> {
    return this.line((line) => {
      if (!line.startsWith('{')) return undefined;
      const value: Record<string, unknown> = JSON.parse(line);
      return value.event === name ? value : undefined;
    });
  }

  signal(signal: NodeJS.Signals): void {
    this.process.kill(signal);
  }

  /** Waits for the end; answers the exit code, or null after a signal. */
  async exit(): Promise<number | null> {
    await this.ended;
    return this.process.exitCode;
  }

  async kill(): Promise<void> {
    if (this.running) this.process.kill('SIGKILL');
    await this.ended;
  }
}
