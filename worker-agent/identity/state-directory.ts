import { mkdir, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { writeFileAtomic } from './atomic-file.ts';
import { holdLock, readJson, releaseLock } from './lock-file.ts';

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
    await holdLock(directory.#lockPath, directory.path);
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
    await releaseLock(this.#lockPath);
  }

  get #lockPath(): string {
    return join(this.path, 'agent.lock');
  }
}
