import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLocalS3 } from '@karst/orchestrator/local-s3/server.ts';
import { type Clock, systemClock } from '@karst/shared/clock.ts';
import { systemRandom } from '@karst/shared/random.ts';
import type { Connection } from './compatibility/connection.ts';

export const credentials = { accessKeyId: 'karst-test', secretAccessKey: 'a secret/with+signs' };

export async function temporaryDir(): Promise<{ dir: string; remove: () => Promise<void> }> {
  const dir = await mkdtemp(join(tmpdir(), 'karst-s3-'));
  return { dir, remove: () => rm(dir, { recursive: true, force: true }) };
}

/** Starts our endpoint in this process, on a folder of its own unless one is given. */
export async function startLocalS3(
  options: { dir?: string; clock?: Clock; buckets?: string[] } = {},
): Promise<Connection & { dir: string }> {
  const own = options.dir === undefined ? await temporaryDir() : undefined;
  const dir = options.dir ?? own?.dir ?? '';
  const endpoint = createLocalS3({
    dir,
    credentials,
    clock: options.clock ?? systemClock,
    random: systemRandom,
    buckets: options.buckets ?? [],
  });
  const port = await endpoint.listen(0);
  return {
    dir,
    endpoint: `http://127.0.0.1:${port}`,
    credentials,
    stop: async () => {
      await endpoint.close();
      await own?.remove();
    },
  };
}

/** Names of all blob files in a folder of the endpoint. */
export async function blobFiles(dir: string): Promise<string[]> {
  const entries = await readdir(join(dir, 'blobs'), { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => entry.name);
}
