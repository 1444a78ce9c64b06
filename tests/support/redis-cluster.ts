import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Redis } from 'ioredis';
import { Child } from './child.ts';
import { eventually } from './eventually.ts';
import { freePort } from './redis.ts';

export interface TestCluster {
  /** For REDIS_URL: every node, with commas between. */
  urls: string;
  ports: readonly number[];
  /** Jobs that each node holds. */
  jobsPerNode(): Promise<number[]>;
  stop(): Promise<void>;
}

const NODES = 3;

/** Both a node's port and its bus port, 10,000 above, must be free and valid. */
async function freeNodePort(): Promise<number> {
  for (;;) {
    const port = await freePort();
    if (port < 55_000) return port;
  }
}

async function withNode<T>(port: number, ask: (node: Redis) => Promise<T>): Promise<T> {
  const node = new Redis(port, '127.0.0.1', { retryStrategy: () => null, lazyConnect: true });
  node.on('error', () => undefined);
  try {
    await node.connect();
    return await ask(node);
  } finally {
    node.disconnect();
  }
}

/** A real Redis Cluster of three masters, native processes, every slot served. */
export async function startRedisCluster(): Promise<TestCluster> {
  const dir = await mkdtemp(join(tmpdir(), 'karst-cluster-'));
  const ports: number[] = [];
  while (ports.length < NODES) {
    const port = await freeNodePort();
    if (!ports.includes(port)) ports.push(port);
  }
  const servers = ports.map((port) => {
    const args = ['--port', String(port), '--bind', '127.0.0.1', '--dir', dir, '--save', ''];
    args.push('--appendonly', 'yes', '--appenddirname', `aof-${port}`);
    args.push('--maxmemory-policy', 'noeviction', '--cluster-enabled', 'yes');
    args.push('--cluster-config-file', `nodes-${port}.conf`, '--cluster-node-timeout', '2000');
    return new Child('redis', 'redis-server', args, process.env);
  });
  const answers = (port: number) =>
    withNode(port, (node) => node.ping()).then(
      () => true,
      () => false,
    );
  for (const port of ports) await eventually(`redis on port ${port}`, () => answers(port));
  const nodes = ports.map((port) => `127.0.0.1:${port}`);
  const create = ['--cluster', 'create', ...nodes, '--cluster-replicas', '0', '--cluster-yes'];
  await promisify(execFile)('redis-cli', create);
  for (const port of ports) {
    await eventually(`the cluster is whole at port ${port}`, () =>
      withNode(port, async (node) => String(await node.cluster('INFO')).includes('state:ok')),
    );
  }
  return {
    urls: ports.map((port) => `redis://127.0.0.1:${port}`).join(','),
    ports,
    jobsPerNode: () =>
      Promise.all(
        ports.map((port) =>
          withNode(port, async (node) => (await node.keys('karst:{job-*}:job')).length),
        ),
      ),
    async stop() {
      await Promise.all(servers.map((server) => server.kill()));
      await rm(dir, { recursive: true, force: true });
    },
  };
}
