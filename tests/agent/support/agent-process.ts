import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { listProcesses } from '../../../worker-agent/process/process-table.ts';
import { Changes } from './signal.ts';

const mainPath = fileURLToPath(new URL('../../../worker-agent/main.ts', import.meta.url));

/** A real agent process, as `karst agent` starts it. */
export class AgentProcess {
  readonly dir: string;
  readonly changes = new Changes();
  stdout = '';
  stderr = '';
  exit: { code: number | null; signal: NodeJS.Signals | null } | undefined;
  readonly #child: ChildProcess;

  private constructor(dir: string, env: Record<string, string>) {
    this.dir = dir;
    this.#child = spawn(process.execPath, [mainPath], {
      env: {
        PATH: process.env.PATH ?? '',
        NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE,
        KARST_AGENT_DIR: dir,
        ...env,
      },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    this.#child.stdout?.on('data', (chunk: Buffer) => {
      this.stdout += chunk;
      this.changes.changed();
    });
    this.#child.stderr?.on('data', (chunk: Buffer) => {
      this.stderr += chunk;
      this.changes.changed();
    });
    this.#child.on('close', (code, signal) => {
      this.exit = { code, signal };
      this.changes.changed();
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Starts one and, unless told otherwise, waits until it is ready. */
  static async start(
    url: string,
    env: Record<string, string> = {},
    options: { dir?: string; ready?: boolean } = {},
  ): Promise<AgentProcess> {
    const dir = options.dir ?? (await mkdtemp(join(tmpdir(), 'karst-agent-')));
    const given = {
      KARST_URL: url,
      KARST_ENROLLMENT_TOKEN: 'good-token',
      KARST_NODE_NAME: 'n1',
      KARST_SOFTWARE_SEARCH: '0',
    };
    const agent = new AgentProcess(dir, { ...given, ...env });
    if (options.ready !== false) await agent.ready();
    return agent;
  }

  async ready(): Promise<void> {
    const exited = await this.changes.until(() =>
      this.stdout.includes('"ready"') ? 'ready' : this.exit === undefined ? undefined : 'exited',
    );
    if (exited === 'exited') throw new Error(`the agent ended: ${this.stderr}`);
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Kills the process that starts this agent's tasks. */
  killHelper(): void {
    for (const { pid, parentPid } of listProcesses()) {
      if (parentPid === this.pid) process.kill(pid, 'SIGKILL');
    }
  }

  /** Kills agent and helper so that neither can do anything about the other's death. */
  killWithHelper(): void {
    this.kill('SIGSTOP');
    this.killHelper();
    this.kill('SIGKILL');
  }

  closeStdin(): void {
    this.#child.stdin?.end();
  }

  async ended(): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
    return await this.changes.until(() => this.exit);
  }

  /** Ends it whatever it does, and removes its directory. */
  async dispose(keepDir = false): Promise<void> {
    if (this.exit === undefined) {
      this.kill('SIGTERM');
      this.kill('SIGTERM');
      this.kill('SIGCONT');
      // A bound, not a wait: one that does not end by itself must not hold up the others.
      const timer = setTimeout(() => this.kill('SIGKILL'), 5000);
      await this.ended();
      clearTimeout(timer);
    }
    if (!keepDir) await rm(this.dir, { recursive: true, force: true, maxRetries: 5 });
  }
}
