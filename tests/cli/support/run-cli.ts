import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';

/** The program, for tests that start it in their own way. */
export const cliEntry = fileURLToPath(new URL('../../../cli/main.ts', import.meta.url));

export interface CliOptions {
  cwd: string;
  env?: Record<string, string>;
  /** Runs the CLI below another program: a terminal. */
  under?: readonly string[];
}

/** A running `karst`, a real process with nothing of our environment but the PATH and compiled code. */
export class Cli {
  stdout = '';
  stderr = '';
  readonly #process;
  readonly #ended;
  readonly #watchers = new Set<() => void>();

  constructor(args: readonly string[], options: CliOptions) {
    const [program = process.execPath, ...before] = options.under ?? [];
    const inner = options.under === undefined ? [] : [process.execPath];
    this.#process = spawn(program, [...before, ...inner, cliEntry, ...args], {
      cwd: options.cwd,
      env: {
        PATH: process.env.PATH,
        NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE,
        ...options.env,
      },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    this.#process.stdin.on('error', () => undefined);
    this.#process.stdout.on('data', (chunk: Buffer) => this.#heard('stdout', chunk));
    this.#process.stderr.on('data', (chunk: Buffer) => this.#heard('stderr', chunk));
    this.#ended = once(this.#process, 'close');
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  signal(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }

  /** Waits until stderr or stdout holds `text`; fails when the process ends before. */
  async says(text: string): Promise<void> {
    const heard = () => this.stderr.includes(text) || this.stdout.includes(text);
    while (!heard()) {
      const news = Promise.withResolvers<'news'>();
      const wake = () => news.resolve('news');
      this.#watchers.add(wake);
      const first = await Promise.race([news.promise, this.#ended.then(() => 'ended' as const)]);
      this.#watchers.delete(wake);
      if (first === 'ended' && !heard()) {
        throw new Error(`never said "${text}":\n${this.stdout}\n${this.stderr}`);
      }
    }
  }

  async result(): Promise<{ code: number | null; stdout: string; stderr: string }> {
    await this.#ended;
    return { code: this.#process.exitCode, stdout: this.stdout, stderr: this.stderr };
  }

  #heard(where: 'stdout' | 'stderr', chunk: Buffer): void {
    this[where] += chunk.toString('utf8');
    for (const wake of this.#watchers) wake();
  }
}

/** Starts a CLI that the test's end kills, whatever happened. */
export function startCli(args: readonly string[], options: CliOptions): Cli {
  const cli = new Cli(args, options);
  onTestFinished(async () => {
    cli.signal('SIGKILL');
    await cli.result();
  });
  return cli;
}

export const runCli = (args: readonly string[], options: CliOptions) =>
  startCli(args, options).result();

/** A directory of the test's own, with real path. */
export async function testDir(): Promise<string> {
  const dir = await mkdtemp(path.join(tmpdir(), 'karst-cli-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  return dir;
}
