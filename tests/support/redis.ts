import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { Child } from './child.ts';
import { eventually } from './eventually.ts';

export interface TestRedis {
  url: string;
  port: number;
  /** The server's process, where it runs natively; 0 in a container. */
  pid: number;
  /** SIGKILL, as a crash would. */
  kill(): Promise<void>;
  /** Starts it again on the same data and port. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

async function answers(url: string): Promise<boolean> {
  const client = new Redis(url, { lazyConnect: true, retryStrategy: () => null });
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.ping();
    return true;
  } catch {
    return false;
  } finally {
    client.disconnect();
  }
}

/** A native redis-server with AOF, as `karst up` runs it. */
async function startNative(): Promise<TestRedis> {
  const dir = await mkdtemp(join(tmpdir(), 'karst-redis-'));
  const port = await freePort();
  const url = `redis://127.0.0.1:${port}`;
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--dir', dir, '--save', ''];
  args.push('--appendonly', 'yes', '--appendfsync', 'everysec', '--maxmemory-policy', 'noeviction');
  let server: Child;
  const start = async () => {
    server = new Child('redis', 'redis-server', args, process.env);
    await eventually(`redis on port ${port}`, () => answers(url));
  };
  await start();
  return {
    url,
    port,
    get pid() {
      return server.pid;
    },
    kill: () => server.kill(),
    restart: start,
    async stop() {
      await server.kill();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** The same through testcontainers, where Docker runs. */
async function startContainer(): Promise<TestRedis> {
  const { GenericContainer } = await import('testcontainers');
  const port = await freePort();
  const container = await new GenericContainer('redis:7')
    .withExposedPorts({ container: 6379, host: port })
    .withCommand(['redis-server', '--appendonly', 'yes', '--maxmemory-policy', 'noeviction'])
    .start();
  const url = `redis://127.0.0.1:${port}`;
  await eventually(`redis on port ${port}`, () => answers(url));
  return {
    url,
    port,
    pid: 0,
    async kill() {
      await container.stop({ remove: false, timeout: 0 });
    },
    async restart() {
      await container.restart();
      await eventually(`redis on port ${port}`, () => answers(url));
    },
    async stop() {
      await container.stop();
    },
  };
}

/** A Redis of the test's own: native, or in a container with KARST_TEST_CONTAINERS=1. */
export const startRedis = (): Promise<TestRedis> =>
  process.env.KARST_TEST_CONTAINERS === '1' ? startContainer() : startNative();
