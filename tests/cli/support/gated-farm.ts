import { createHash } from 'node:crypto';
import path from 'node:path';
import { createObjectStore, type ObjectStore } from '@karst/orchestrator/objects/store.ts';
import { afterAll, beforeAll } from 'vitest';
import { Farm } from '../../support/farm.ts';
import { runCli, startCli } from './run-cli.ts';
import { StorageGate } from './storage-gate.ts';

export interface GatedFarm {
  farm: Farm;
  /** What the CLI sends to storage goes through here. */
  gate: StorageGate;
  objects: ObjectStore;
  /** Runs the CLI in `cwd`, with its cache in `cwd`/.cache. */
  karst(
    cwd: string,
    args: readonly string[],
    env?: Record<string, string>,
  ): ReturnType<typeof runCli>;
  startKarst(cwd: string, args: readonly string[]): ReturnType<typeof startCli>;
  /** What studio `default` has under this hash. */
  assetSha256(sha256: string): Promise<string | undefined>;
}

/** A farm for a test file, whose storage clients reach through a gate only. */
export function gatedFarm(): () => GatedFarm {
  let gated: GatedFarm | undefined;
  beforeAll(async () => {
    const gate = await StorageGate.start();
    const farm = await Farm.start({ env: { KARST_S3_PUBLIC_ENDPOINT: gate.url } });
    gate.target = farm.storage.endpoint;
    const objects = createObjectStore({ ...farm.storage, region: 'us-east-1' });
    const envOf = (cwd: string) => ({
      KARST_URL: farm.urls[0] ?? '',
      KARST_API_KEY_FILE: path.join(farm.dir, 'admin.key'),
      KARST_CACHE_DIR: path.join(cwd, '.cache'),
    });
    gated = {
      farm,
      gate,
      objects,
      karst: (cwd, args, env = {}) => runCli(args, { cwd, env: { ...envOf(cwd), ...env } }),
      startKarst: (cwd, args) => startCli(args, { cwd, env: envOf(cwd) }),
      async assetSha256(sha256) {
        const body = await objects.getStream(`studios/default/assets/${sha256}`);
        if (body === undefined) return undefined;
        const hash = createHash('sha256');
        for await (const chunk of body.stream) hash.update(chunk);
        return hash.digest('hex');
      },
    };
  });
  afterAll(async () => {
    gated?.objects.close();
    await gated?.farm.stop();
    await gated?.gate.stop();
  });
  return () => {
    if (gated === undefined) throw new Error('the farm has not started');
    return gated;
  };
}
