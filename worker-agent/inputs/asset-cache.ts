import { renameSync } from 'node:fs';
import { lstat, mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, sleep } from '@karst/shared/clock.ts';
import type { Random } from '@karst/shared/random.ts';
import { err, ok, type Result } from '@karst/shared/result.ts';
import type { Logger } from 'pino';
import type { Connections } from '../http/exchange.ts';
import type { InputDownload } from '../http/orchestrator-client.ts';
import { holdLock, releaseLock } from '../identity/lock-file.ts';
import { errorCode } from '../session/failure.ts';
import { AssetFetcher } from './asset-fetcher.ts';
import { CacheIndex, type KnownAsset, machineBootId } from './cache-index.ts';
import { contentStampAt } from './content-stamp.ts';
import type { FetchFailure } from './fetch-failure.ts';
import { FileHasher } from './file-hasher.ts';

export interface CacheParts {
  connections: Connections;
  random: Random;
  clock: Clock;
  logger: Logger;
}

interface Entry {
  sizeBytes: number;
  /** Leases that are bringing the file to a session: not to be evicted. */
  users: number;
  /** Of the file when its content was last seen to be right; undefined: not seen by this process. */
  stamp?: string;
  verifiedAtMs: number;
  /** Under way. */
  check?: Promise<boolean>;
}

/** Content not read through for so long is, when it is next used: disks forget. */
const verifiedAgeMaxMs = 7 * 24 * 3_600_000;
const saveEveryMs = 30_000;

/**
 * Input files by content, `<dir>/<aa>/<sha256>`, shared by all leases of the agent and bounded, least
 * recently used out first. Under its name a file is whole or not there: it is completed in `incoming/`.
 * Whether it still has its content is looked at with each use, by its size, inode and time of change;
 * what looks touched, and what the index does not vouch for, is read through, and fetched anew where
 * it is not what it was. One process has it at a time.
 */
export class AssetCache {
  readonly #dir: string;
  readonly #bytesMax: number;
  readonly #parts: CacheParts;
  readonly #hasher = new FileHasher();
  /** In order of use: a Map keeps the order of insertion. */
  readonly #entries = new Map<string, Entry>();
  readonly #fetcher: AssetFetcher;
  readonly #madeDirs = new Set<string>();
  readonly #over = new AbortController();
  #index: CacheIndex | undefined;
  /** Of entries; downloads count too, see AssetFetcher. */
  #sizeBytes = 0;
  #isChanged = false;
  #corrupted = 0;

  constructor(dir: string, bytesMax: number, parts: CacheParts) {
    this.#dir = dir;
    this.#bytesMax = bytesMax;
    this.#parts = parts;
    this.#fetcher = new AssetFetcher(this.#incoming, {
      ...parts,
      hasher: this.#hasher,
      grows: () => this.#evict(),
      landed: (input, path) => this.#take(input, path),
    });
  }

  /** How many files were found to be other than they were, since the start. */
  get corrupted(): number {
    return this.#corrupted;
  }

  get bytesMax(): number {
    return this.#bytesMax;
  }

  /** Finds what former starts left; half-finished downloads are removed. Throws when it is in use. */
  async open(): Promise<void> {
    await mkdir(this.#dir, { recursive: true, mode: 0o700 });
    await holdLock(join(this.#dir, 'lock'), this.#dir);
    await rm(this.#incoming, { recursive: true, force: true });
    await mkdir(this.#incoming, { mode: 0o700 });
    this.#index = new CacheIndex(join(this.#dir, 'index'), await machineBootId());
    const { trusted, assets } = await this.#index.read();
    const there = await this.#listFiles();
    const known = assets.filter(({ sha256 }) => there.delete(sha256));
    // Not in the index: the newest, as it was written before them.
    for (const { sha256, sizeBytes, stamp, verifiedAtMs } of known) {
      this.#add(sha256, { sizeBytes, users: 0, verifiedAtMs, ...(trusted ? { stamp } : {}) });
    }
    for (const sha256 of there) {
      const { size } = await lstat(this.#path(sha256));
      this.#add(sha256, { sizeBytes: size, users: 0, verifiedAtMs: 0 });
    }
    this.#evict();
    void this.#saveNowAndThen();
  }

  /** Writes the index. Nothing may be under way. */
  async close(): Promise<void> {
    this.#over.abort();
    this.#fetcher.stop();
    await this.#hasher.close();
    await this.#save().catch((error: unknown) => this.#parts.logger.warn({ error }, 'cache index'));
    await releaseLock(join(this.#dir, 'lock'));
  }

  has(sha256: string): boolean {
    return this.#entries.has(sha256);
  }

  /** Calls `use` with the path of the verified content, downloading it if need be. */
  async use<T>(
    input: InputDownload,
    signal: AbortSignal,
    use: (path: string) => Promise<T>,
  ): Promise<Result<T, FetchFailure>> {
    for (let round = 0; round < 3; round++) {
      let entry = this.#entries.get(input.sha256);
      if (entry === undefined) {
        const landed = await this.#fetcher.fetch(input, true, signal);
        if (!landed.ok) return landed;
        entry = this.#entries.get(input.sha256);
        // Evicted in the same moment.
        if (entry === undefined) continue;
      }
      entry.users += 1;
      this.#entries.delete(input.sha256);
      this.#entries.set(input.sha256, entry);
      this.#isChanged = true;
      try {
        if (await this.#isSound(input.sha256, entry))
          return ok(await use(this.#path(input.sha256)));
      } finally {
        entry.users -= 1;
        this.#evict();
      }
      this.#drop(input.sha256, entry);
    }
    return err({ passing: true, message: `${input.path} does not last in the node's cache` });
  }

  /** Has it in the cache for later use, behind what leases wait for; what is there counts as used. */
  async prefetch(input: InputDownload, signal: AbortSignal): Promise<Result<null, FetchFailure>> {
    const entry = this.#entries.get(input.sha256);
    if (entry !== undefined) {
      this.#entries.delete(input.sha256);
      this.#entries.set(input.sha256, entry);
      return ok(null);
    }
    return await this.#fetcher.fetch(input, false, signal);
  }

  /** A download has come whole to `path`. */
  async #take({ sha256, sizeBytes }: InputDownload, path: string): Promise<void> {
    await this.#directory(sha256);
    const stamp = await contentStampAt(path);
    if (stamp === undefined) throw new Error('a download vanished');
    await rename(path, this.#path(sha256));
    const verifiedAtMs = this.#parts.clock.nowMs();
    this.#add(sha256, { sizeBytes, users: 0, stamp, verifiedAtMs });
  }

  async #isSound(sha256: string, entry: Entry): Promise<boolean> {
    const stamp = await contentStampAt(this.#path(sha256));
    const isOld = this.#parts.clock.nowMs() - entry.verifiedAtMs > verifiedAgeMaxMs;
    if (stamp !== undefined && stamp === entry.stamp && !isOld) return true;
    entry.check ??= this.#readThrough(sha256, entry).finally(() => {
      delete entry.check;
    });
    return await entry.check;
  }

  async #readThrough(sha256: string, entry: Entry): Promise<boolean> {
    const path = this.#path(sha256);
    const stamp = await contentStampAt(path);
    if (stamp === undefined) return false;
    const found = await this.#hasher.hash(path).catch((error: unknown) => {
      if (errorCode(error) === 'ENOENT') return undefined;
      // A disk that can't read it (EIO) may take it anew elsewhere.
      this.#parts.logger.warn({ error, sha256 }, 'a cached input can not be read');
      return undefined;
    });
    if (found?.sha256 !== sha256) return false;
    entry.stamp = stamp;
    entry.verifiedAtMs = this.#parts.clock.nowMs();
    this.#sizeBytes += found.sizeBytes - entry.sizeBytes;
    entry.sizeBytes = found.sizeBytes;
    return true;
  }

  /** Its file is not what it should be; found by one or by several at once. */
  #drop(sha256: string, entry: Entry): void {
    if (this.#entries.get(sha256) !== entry) return;
    this.#corrupted += 1;
    this.#parts.logger.warn(
      { sha256, found: this.#corrupted },
      'a cached input was damaged: fetching it again',
    );
    this.#entries.delete(sha256);
    this.#sizeBytes -= entry.sizeBytes;
    // Where others look at it too, it keeps its name until the new one replaces it.
    if (entry.users === 0) this.#remove(sha256);
  }

  #add(sha256: string, entry: Entry): void {
    this.#entries.set(sha256, entry);
    this.#sizeBytes += entry.sizeBytes;
    this.#isChanged = true;
  }

  #evict(): void {
    for (const [sha256, entry] of this.#entries) {
      if (this.#sizeBytes + this.#fetcher.sizeBytes <= this.#bytesMax) return;
      if (entry.users > 0) continue;
      this.#entries.delete(sha256);
      this.#sizeBytes -= entry.sizeBytes;
      this.#isChanged = true;
      this.#remove(sha256);
    }
  }

  #remove(sha256: string): void {
    const aside = join(this.#incoming, this.#parts.random.uuid());
    try {
      // Synchronous: a download of the same content must not finish in between.
      renameSync(this.#path(sha256), aside);
    } catch (error) {
      if (errorCode(error) !== 'ENOENT') throw error;
      return;
    }
    rm(aside, { force: true }).catch((error: unknown) => {
      this.#parts.logger.warn({ error }, 'an evicted input was left');
    });
  }

  async #saveNowAndThen(): Promise<void> {
    while (!this.#over.signal.aborted) {
      await sleep(saveEveryMs, this.#over.signal).catch(() => undefined);
      if (this.#over.signal.aborted || !this.#isChanged) continue;
      await this.#save().catch((error: unknown) =>
        this.#parts.logger.warn({ error }, 'cache index'),
      );
    }
  }

  async #save(): Promise<void> {
    this.#isChanged = false;
    await this.#index?.write(this.#vouchedFor());
  }

  *#vouchedFor(): Generator<KnownAsset> {
    for (const [sha256, { sizeBytes, stamp = '', verifiedAtMs }] of this.#entries) {
      yield { sha256, sizeBytes, stamp, verifiedAtMs };
    }
  }

  async #listFiles(): Promise<Set<string>> {
    const found = new Set<string>();
    for (const name of await readdir(this.#dir, { recursive: true })) {
      const sha256 = /^[0-9a-f]{2}\/([0-9a-f]{64})$/.exec(name)?.[1];
      if (sha256 !== undefined) found.add(sha256);
    }
    return found;
  }

  async #directory(sha256: string): Promise<void> {
    const name = sha256.slice(0, 2);
    if (this.#madeDirs.has(name)) return;
    await mkdir(join(this.#dir, name), { recursive: true, mode: 0o700 });
    this.#madeDirs.add(name);
  }

  get #incoming(): string {
    return join(this.#dir, 'incoming');
  }

  #path(sha256: string): string {
    return join(this.#dir, sha256.slice(0, 2), sha256);
  }
}
