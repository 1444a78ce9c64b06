import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Connections } from '@karst/agent/http/exchange.ts';
import type { InputDownload } from '@karst/agent/http/orchestrator-client.ts';
import { AssetCache } from '@karst/agent/inputs/asset-cache.ts';
import { createObjectStore, type ObjectStore } from '@karst/orchestrator/objects/store.ts';
import { systemClock } from '@karst/shared/clock.ts';
import { systemRandom } from '@karst/shared/random.ts';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import { startObjectStorage, type TestStorage } from '../../support/storage.ts';
import { StorageProxy } from './storage-proxy.ts';

/** Real storage behind a proxy, and a directory for caches that is anew for each test. */
export class CacheBench {
  readonly proxy = new StorageProxy();
  readonly connections = new Connections(1000);
  dir = '';
  nowMs = systemClock.nowMs();
  #objects: ObjectStore | undefined;
  #storage: TestStorage | undefined;
  readonly #caches: AssetCache[] = [];

  async start(): Promise<void> {
    const [storage] = await Promise.all([startObjectStorage(), this.proxy.listen()]);
    this.#storage = storage;
    this.proxy.forward(storage.endpoint);
    this.#objects = createObjectStore({
      region: 'us-east-1',
      ...storage,
      publicEndpoint: this.proxy.url,
    });
  }

  async begin(): Promise<void> {
    this.dir = await mkdtemp(join(tmpdir(), 'karst-cache-'));
    this.proxy.asked.length = 0;
  }

  async end(): Promise<void> {
    for (const cache of this.#caches.splice(0)) await cache.close();
    await rm(this.dir, { recursive: true, force: true });
  }

  async stop(): Promise<void> {
    this.connections.close();
    await Promise.all([this.proxy.close(), this.#storage?.stop()]);
  }

  /** A cache of the directory; of a former one, if any, it takes over what that wrote. */
  async open(bytesMax = 1024 ** 3): Promise<AssetCache> {
    const cache = new AssetCache(join(this.dir, 'cache'), bytesMax, {
      connections: this.connections,
      random: systemRandom,
      clock: { ...systemClock, nowMs: () => this.nowMs },
      logger: pino({ level: 'silent' }),
    });
    await cache.open();
    this.#caches.push(cache);
    return cache;
  }

  /** Stores content; answers it as an input is listed. */
  async input(content: Buffer, path = 'a.bin'): Promise<InputDownload> {
    const objects = this.#objects;
    if (objects === undefined) throw new Error('storage has not started');
    const sha256 = createHash('sha256').update(content).digest('hex');
    const key = `assets/${sha256}`;
    const upload = await objects.createUpload(key, { sha256, sizeBytes: content.length });
    if (upload.kind !== 'single') throw new Error('expected one upload by a single PUT');
    const { url: to, headers } = upload;
    const sent = await fetch(to, { method: 'PUT', headers, body: new Uint8Array(content) });
    if (!sent.ok) throw new Error(`storage answered ${sent.status}`);
    const url = await objects.presignGet(key);
    return { path, sha256, sizeBytes: content.length, executable: false, url };
  }

  /** Where the cache keeps it. */
  pathOf({ sha256 }: Pick<InputDownload, 'sha256'>): string {
    return join(this.dir, 'cache', sha256.slice(0, 2), sha256);
  }
}

export function cacheBench(): CacheBench {
  const bench = new CacheBench();
  beforeAll(() => bench.start());
  beforeEach(() => bench.begin());
  afterEach(() => bench.end());
  afterAll(() => bench.stop());
  return bench;
}
