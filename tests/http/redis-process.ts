import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';

/** A real Redis of its own: a unix socket in a private folder, nothing on the network. */
export class RedisProcess {
  readonly #dir: string;
  readonly socket: string;
  #process: ChildProcess | undefined;
  readonly #clients: Redis[] = [];

  private constructor(dir: string) {
    this.#dir = dir;
    this.socket = join(dir, 'redis.sock');
  }

  static async start(): Promise<RedisProcess> {
    const redis = new RedisProcess(await mkdtemp(join(tmpdir(), 'karst-redis-')));
    await redis.run();
    return redis;
  }

  /** Starts the process, also again after `kill`, and waits until it serves. */
  async run(): Promise<void> {
    const args = ['--port', '0', '--unixsocket', this.socket, '--dir', this.#dir];
    const child = spawn('redis-server', [...args, '--save', '', '--appendonly', 'yes'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.#process = child;
    let said = '';
    for await (const chunk of child.stdout) {
      said += String(chunk);
      if (said.includes('eady to accept connections')) break;
    }
    if (child.exitCode !== null) throw new Error(`redis-server ended: ${said}`);
  }

  client(options: { commandTimeout?: number } = {}): Redis {
    const client = new Redis({
      path: this.socket,
      retryStrategy: () => 50,
      maxRetriesPerRequest: null,
      ...options,
    });
    client.on('error', () => undefined);
    this.#clients.push(client);
    return client;
  }

  async kill(): Promise<void> {
    const child = this.#process;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  }

  async stop(): Promise<void> {
    for (const client of this.#clients) client.disconnect();
    await this.kill();
    await rm(this.#dir, { recursive: true, force: true });
  }
}
