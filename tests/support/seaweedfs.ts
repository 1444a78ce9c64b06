import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CreateBucketCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { ensureSeaweedFs } from '../../scripts/seaweedfs.ts';
import { Child } from './child.ts';
import { eventually } from './eventually.ts';
import { freePort } from './redis.ts';
import type { TestStorage } from './storage.ts';

const credentials = { accessKeyId: 'karst-test', secretAccessKey: 'a secret/with+signs' };

/** Ports that are free now, all different: a server that takes eight must not be given one twice. */
async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  while (ports.size < count) ports.add(await freePort());
  return [...ports];
}

/** SeaweedFS, an S3 server nobody here wrote: master, volume, filer and S3 gateway in one process. */
export async function startSeaweedFs(): Promise<TestStorage> {
  const weed = await ensureSeaweedFs();
  const dir = await mkdtemp(join(tmpdir(), 'karst-seaweedfs-'));
  const config = join(dir, 's3.json');
  const { accessKeyId: accessKey, secretAccessKey: secretKey } = credentials;
  const identity = { name: 'karst', credentials: [{ accessKey, secretKey }], actions: ['Admin'] };
  await writeFile(config, JSON.stringify({ identities: [identity] }));
  const roles = ['master', 'volume', 'filer', 's3'];
  const ports = await freePorts(2 * roles.length);
  const s3Port = ports[roles.indexOf('s3')];
  const args = ['server', `-dir=${dir}`, '-ip=127.0.0.1', '-ip.bind=127.0.0.1', '-s3'];
  args.push(`-s3.config=${config}`, '-s3.iam=false', '-s3.port.iceberg=0', '-s3.port.lance=0');
  args.push('-master.telemetry=false', '-master.volumeSizeLimitMB=64', '-volume.max=500');
  for (const [index, role] of roles.entries()) {
    args.push(`-${role}.port=${ports[index]}`);
    args.push(`-${role}.port.grpc=${ports[index + roles.length]}`);
  }
  const child = new Child('seaweedfs', weed, args, { PATH: process.env.PATH, HOME: dir }, dir);
  const storage = { endpoint: `http://127.0.0.1:${s3Port}`, bucket: 'karst', ...credentials };
  try {
    await eventually('SeaweedFS stores an object', () => storesAnObject(storage, child), 60_000);
  } catch (error) {
    await child.kill();
    throw new Error(`SeaweedFS did not start: ${child.stderr.slice(-4000)}`, { cause: error });
  }
  return {
    ...storage,
    async stop() {
      await child.kill();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** Its parts find each other one after the other: it is up when the last of them, a volume, takes bytes. */
async function storesAnObject(storage: Omit<TestStorage, 'stop'>, child: Child): Promise<boolean> {
  if (!child.running) throw new Error('it ended');
  const client = new S3Client({
    endpoint: storage.endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    maxAttempts: 1,
    credentials,
  });
  try {
    const Bucket = 'is-it-up';
    await client.send(new CreateBucketCommand({ Bucket })).catch((error: Error) => {
      if (!error.name.startsWith('BucketAlready')) throw error;
    });
    await client.send(new PutObjectCommand({ Bucket, Key: 'x', Body: 'x' }));
    return true;
  } finally {
    client.destroy();
  }
}
