import { mkdir, open, readFile, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { startTicks } from '../process/process-table.ts';
import { errorCode } from '../session/failure.ts';
import { writeFileAtomic } from './atomic-file.ts';

const lockSchema = z.object({ pid: z.int(), startTicks: z.string().optional() });
const bootSchema = z.object({ bootedAtMs: z.number() });

/** The agent's directory on this node, used by one agent process at a time. */
export class StateDirectory {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  get sessionsDir(): string {
    return join(this.path, 'sessions');
  }

  get logsDir(): string {
    return join(this.path, 'logs');
  }

  get cacheDir(): string {
    return join(this.path, 'cache');
  }

  /** Makes it if need be and takes its lock. Throws when another live agent has it. */
  static async open(path: string): Promise<StateDirectory> {
    const directory = new StateDirectory(resolve(path));
    await mkdir(directory.path, { recursive: true, mode: 0o700 });
    await directory.#lock();
    return directory;
  }

  /** Removes what a former agent's tasks left. Kill its processes first. */
  async clear(): Promise<void> {
    for (const dir of [this.sessionsDir, this.logsDir]) {
      await rm(dir, { recursive: true, force: true, maxRetries: 3 });
      await mkdir(dir, { mode: 0o700 });
    }
  }

  /**
   * When this process started, by the node's clock, made later than any start before it: a clock set
   * back must not make a new agent look like an old one.
   */
  async orderBoot(nowMs: number): Promise<number> {
    const path = join(this.path, 'boot.json');
    const before = bootSchema.safeParse(await readJson(path));
    const bootedAtMs = before.success ? Math.max(nowMs, before.data.bootedAtMs + 1) : nowMs;
    await writeFileAtomic(path, JSON.stringify({ bootedAtMs }), 0o600);
    return bootedAtMs;
  }

  async release(): Promise<void> {
    await rm(join(this.path, 'agent.lock'), { force: true });
  }

  async #lock(): Promise<void> {
    const path = join(this.path, 'agent.lock');
    for (let attempt = 0; attempt < 2; attempt++) {
      try {
        const file = await open(path, 'wx', 0o600);
        await file.writeFile(
          JSON.stringify({ pid: process.pid, startTicks: startTicks(process.pid) }),
        );
        await file.close();
        return;
      } catch (error) {
        if (errorCode(error) !== 'EEXIST') throw error;
      }
      const holder = lockSchema.safeParse(await readJson(path));
      const alive = holder.success && startTicks(holder.data.pid) === holder.data.startTicks;
      if (alive && holder.data.pid !== process.pid) {
        throw new Error(`another agent (process ${holder.data.pid}) uses ${this.path}`);
      }
      await rm(path, { force: true });
    }
    throw new Error(`${path} keeps coming back: another agent is starting in ${this.path}`);
  }
}

/** A file's JSON, or undefined when there is none that can be read. */
async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || error instanceof SyntaxError) return undefined;
    throw error;
  }
}
