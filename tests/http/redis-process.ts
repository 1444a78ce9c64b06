import { Redis } from 'ioredis';
import { startRedis, type TestRedis } from '../support/redis.ts';

/** A Redis of the test file's own, with the connections to it. */
export class RedisProcess {
  readonly #server: TestRedis;
  readonly #clients: Redis[] = [];

  private constructor(server: TestRedis) {
    this.#server = server;
  }

  static async start(): Promise<RedisProcess> {
    return new RedisProcess(await startRedis());
  }

  get url(): string {
    return this.#server.url;
  }

  client(options: { commandTimeout?: number } = {}): Redis {
    const client = new Redis(this.url, {
      retryStrategy: () => 50,
      maxRetriesPerRequest: null,
      ...options,
    });
    client.on('error', () => undefined);
    this.#clients.push(client);
    return client;
  }

  /** As a crash would. */
  kill(): Promise<void> {
    return this.#server.kill();
  }

  /** Starts it again on the same data, and waits until it serves. */
  restart(): Promise<void> {
    return this.#server.restart();
  }

  async stop(): Promise<void> {
    for (const client of this.#clients) client.disconnect();
    await this.#server.stop();
  }
}
