import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Child } from './child.ts';

export interface TestStorage {
  endpoint: string;
  bucket: string;
  accessKeyId: string;
  secretAccessKey: string;
  /** Where it is a process of ours. */
  pid?: number;
  stop(): Promise<void>;
}

const credentials = { accessKeyId: 'karst-test', secretAccessKey: 'karst-test-secret' };

/** The local S3 endpoint as its own process, as `karst up` runs it. */
async function startLocal(): Promise<TestStorage> {
  const dir = await mkdtemp(join(tmpdir(), 'karst-s3-'));
  const main = fileURLToPath(new URL('../../orchestrator/local-s3/main.ts', import.meta.url));
  const child = new Child('local-s3', process.execPath, [main], {
    PATH: process.env.PATH,
    KARST_S3_DIR: dir,
    KARST_S3_PORT: '0',
    KARST_S3_ACCESS_KEY: credentials.accessKeyId,
    KARST_S3_SECRET_KEY: credentials.secretAccessKey,
    KARST_S3_BUCKETS: 'karst',
  });
  const { port } = await child.event('listening');
  return {
    endpoint: `http://127.0.0.1:${port}`,
    bucket: 'karst',
    ...credentials,
    pid: child.pid,
    async stop() {
      await child.kill();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** An S3 server nobody here wrote, in a container, where Docker runs. */
async function startContainer(): Promise<TestStorage> {
  const { GenericContainer, Wait } = await import('testcontainers');
  const container = await new GenericContainer('chrislusf/seaweedfs:3.80')
    .withExposedPorts(8333)
    .withCommand(['server', '-s3', '-s3.config=/etc/s3.json'])
    .withCopyContentToContainer([
      {
        target: '/etc/s3.json',
        content: JSON.stringify({
          identities: [
            {
              name: 'karst',
              credentials: [
                { accessKey: credentials.accessKeyId, secretKey: credentials.secretAccessKey },
              ],
              actions: ['Admin', 'Read', 'Write', 'List'],
            },
          ],
        }),
      },
    ])
    .withWaitStrategy(Wait.forListeningPorts())
    .start();
  return {
    endpoint: `http://${container.getHost()}:${container.getMappedPort(8333)}`,
    bucket: 'karst',
    ...credentials,
    async stop() {
      await container.stop();
    },
  };
}

/** S3 of the test's own: the local endpoint, or a container with KARST_TEST_CONTAINERS=1. */
export const startObjectStorage = (): Promise<TestStorage> =>
  process.env.KARST_TEST_CONTAINERS === '1' ? startContainer() : startLocal();
