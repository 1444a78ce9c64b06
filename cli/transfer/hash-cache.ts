import { readdir, rm, stat, utimes } from 'node:fs/promises';
import path from 'node:path';
import type { Clock } from '@karst/shared/clock.ts';
import type { Random } from '@karst/shared/random.ts';
import { boundedParallel } from '../bounded-parallel.ts';
import type { FileStamp } from './file-stamp.ts';
import { entryOf, type HashEntry, isOf, readShard, shardPath, writeShard } from './hash-shard.ts';

/**
 * A write that falls into the same tick of the file system's clock as the one before leaves no trace
 * in the stamp. Ticks are 2 s at worst (FAT), 10 ms where times have fractions of a second.
 */
const COARSE_TICK_MS = 2000;
const FINE_TICK_MS = 100;
/** Bounds of the cache: names of a directory, directories, and bytes in all. */
const NAMES_MAX = 50_000;
const SHARDS_MAX = 20_000;
const BYTES_MAX = 256 * 1024 * 1024;
const SHARDS_AT_ONCE = 8;
const DAY_MS = 86_400_000;

interface Shard {
  entries: Map<string, HashEntry>;
  /** null: forgotten. */
  changes: Map<string, HashEntry | null>;
  isUsed: boolean;
}

/**
 * What files held when they were last read, so that a second submit reads only what changed. Nothing
 * depends on it: what is missing, damaged or lost to another submit that wrote at the same time is
 * read again, and failures to keep it are none.
 */
export class HashCache {
  readonly #dir: string;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #shards = new Map<string, Promise<Shard>>();

  constructor(dir: string, clock: Clock, random: Random) {
    this.#dir = dir;
    this.#clock = clock;
    this.#random = random;
  }

  /** The SHA-256 of a file that still has the stamp it had when it was hashed. */
  async find(file: string, stamp: FileStamp): Promise<string | undefined> {
    const shard = await this.#shard(path.dirname(file));
    const entry = shard.entries.get(path.basename(file));
    if (entry === undefined || !isOf(entry, stamp)) return undefined;
    shard.isUsed = true;
    return entry[4];
  }

  /** `readFromMs`: the wall clock before its first byte was read. */
  async remember(file: string, stamp: FileStamp, sha256: string, readFromMs: number) {
    if (!isSettled(stamp, readFromMs)) return;
    const shard = await this.#shard(path.dirname(file));
    shard.changes.set(path.basename(file), entryOf(stamp, sha256));
  }

  /** For a file that turned out to hold something else. */
  async forget(file: string): Promise<void> {
    (await this.#shard(path.dirname(file))).changes.set(path.basename(file), null);
  }

  /** Writes what is new. Never fails. */
  async flush(): Promise<void> {
    let added = false;
    const flushOne = async ([dir, loading]: [string, Promise<Shard>]) => {
      const shard = await loading;
      if (shard.changes.size > 0) added = (await this.#write(dir, shard)) || added;
      else if (shard.isUsed) await this.#touch(dir);
      shard.isUsed = false;
    };
    // A full disk, a directory that is not ours to write: the next submit reads the files again.
    const orNot = (work: Promise<void>) => work.catch(() => undefined);
    await boundedParallel(this.#shards, SHARDS_AT_ONCE, (shard) => orNot(flushOne(shard)));
    if (added) await orNot(this.#trim());
  }

  #shard(dir: string): Promise<Shard> {
    const known = this.#shards.get(dir);
    if (known !== undefined) return known;
    const loading = readShard(this.#dir, dir).then((entries) => ({
      entries,
      changes: new Map(),
      isUsed: false,
    }));
    this.#shards.set(dir, loading);
    return loading;
  }

  /** Into what the file holds by now: another submit may have written it. Answers if it is new. */
  async #write(dir: string, shard: Shard): Promise<boolean> {
    const changes = [...shard.changes];
    shard.changes.clear();
    const merged = await readShard(this.#dir, dir);
    const isNew = merged.size === 0;
    for (const [name, entry] of changes) {
      // Behind all others: what was seen last is dropped last.
      merged.delete(name);
      if (entry !== null) merged.set(name, entry);
    }
    for (const name of merged.keys()) {
      if (merged.size <= NAMES_MAX) break;
      merged.delete(name);
    }
    shard.entries = merged;
    await writeShard(this.#dir, dir, merged, this.#random);
    return isNew;
  }

  async #touch(dir: string): Promise<void> {
    const file = shardPath(this.#dir, dir);
    const now = this.#clock.nowMs();
    if (now - (await stat(file)).mtimeMs > DAY_MS) await utimes(file, now / 1000, now / 1000);
  }

  /** Drops the directories that were used longest ago, and what a killed submit left half written. */
  async #trim(): Promise<void> {
    const names = await readdir(this.#dir);
    const shards: { file: string; usedAtMs: number; bytes: number }[] = [];
    await boundedParallel(names, SHARDS_AT_ONCE, async (name) => {
      const file = path.join(this.#dir, name);
      const found = await stat(file).catch(() => undefined);
      if (!found?.isFile()) return;
      const isLeftOver = name.endsWith('.part') && this.#clock.nowMs() - found.mtimeMs > DAY_MS;
      if (isLeftOver) await rm(file, { force: true });
      else if (name.endsWith('.json')) {
        shards.push({ file, usedAtMs: found.mtimeMs, bytes: found.size });
      }
    });
    let bytes = shards.reduce((sum, shard) => sum + shard.bytes, 0);
    let count = shards.length;
    for (const shard of shards.sort((a, b) => a.usedAtMs - b.usedAtMs)) {
      if (bytes <= BYTES_MAX && count <= SHARDS_MAX) return;
      await rm(shard.file, { force: true });
      bytes -= shard.bytes;
      count--;
    }
  }
}

/** Whether any later write must show in the stamp. A time in the future tells nothing. */
function isSettled({ mtimeNs, ctimeNs }: FileStamp, readFromMs: number): boolean {
  const newestNs = mtimeNs > ctimeNs ? mtimeNs : ctimeNs;
  const isFine = mtimeNs % 1_000_000_000n !== 0n && ctimeNs % 1_000_000_000n !== 0n;
  const tickMs = isFine ? FINE_TICK_MS : COARSE_TICK_MS;
  return Number(newestNs / 1_000_000n) + tickMs < readFromMs;
}
