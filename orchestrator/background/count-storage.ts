import type { Clock } from '@karst/shared/clock.ts';
import { type StudioId, studioIdSchema } from '@karst/shared/protocol/ids.ts';
import type { Random } from '@karst/shared/random.ts';
import { addObjects, noTotals, type StorageTotals } from '../domain/storage-totals.ts';
import { objectKeys } from '../objects/keys.ts';
import type { ObjectStore } from '../objects/store.ts';
import type { Redis } from '../store/connection.ts';
import { keys } from '../store/keys.ts';
import type { StorageCount, StorageUseStore } from '../store/storage-use-store.ts';
import { underLock } from './job-lock.ts';
import type { Pass } from './pass.ts';

/** Of a thousand objects each. */
const PAGES_PER_RUN_MAX = 20;
/** At the earliest all studios are counted anew after this. */
const PAUSE_MS = 6 * 3_600_000;
/** On a farm that has stored nothing yet. */
const EMPTY_PAUSE_MS = 60_000;
/** What takes longer is begun anew. */
const COUNT_MS_MAX = 24 * 3_600_000;

export interface CountStorageParts {
  redis: Redis;
  objects: Pick<ObjectStore, 'folders' | 'list'>;
  storageUse: StorageUseStore;
  clock: Clock;
  random: Random;
  periodMs: number;
}

interface Counting {
  studio: StudioId;
  startedMs: number;
  count: StorageCount;
  found: StorageTotals;
  cursor: string | undefined;
}

/**
 * Counts what each studio stores, by listing it: studio after studio, a bounded piece each run. Where it
 * stands is known to this process alone: another begins anew.
 */
export function countStoragePass(parts: CountStorageParts): Pass {
  const { redis, objects, storageUse, clock, random } = parts;
  let ahead: StudioId[] = [];
  let counting: Counting | undefined;

  async function beginRound(): Promise<void> {
    const mayBegin = await redis.set(keys.storageCountPause(), '1', 'PX', PAUSE_MS, 'NX');
    if (mayBegin === null) return;
    const names = await objects.folders(objectKeys.studios);
    // Also those of which nothing is left.
    const known = await storageUse.studios();
    ahead = [...new Set([...names.map((name) => studioIdSchema.parse(name)), ...known])];
    if (ahead.length === 0) await redis.pexpire(keys.storageCountPause(), EMPTY_PAUSE_MS);
  }

  async function begin(studio: StudioId): Promise<Counting> {
    const startedMs = clock.nowMs();
    const count = await storageUse.beginCount(studio, random.uuid());
    return { studio, startedMs, count, found: noTotals(), cursor: undefined };
  }

  /** Answers whether that was the last page. */
  async function countPage(of: Counting): Promise<boolean> {
    const prefix = objectKeys.studioPrefix(of.studio);
    const { items, nextCursor } = await objects.list(prefix, of.cursor);
    addObjects(of.found, prefix, items);
    of.cursor = nextCursor;
    if (nextCursor !== undefined) return false;
    await storageUse.endCount(of.studio, of.count, of.found, clock.nowMs());
    return true;
  }

  async function goOn(): Promise<void> {
    if (counting === undefined && ahead.length === 0) await beginRound();
    for (let pages = 0; pages < PAGES_PER_RUN_MAX; pages++) {
      if (counting === undefined) {
        const studio = ahead.pop();
        if (studio === undefined) return;
        counting = await begin(studio);
      }
      const isTooOld = clock.nowMs() - counting.startedMs > COUNT_MS_MAX;
      if (isTooOld || (await countPage(counting))) counting = undefined;
    }
  }

  return {
    name: 'count-storage',
    periodMs: parts.periodMs,
    async runOnce() {
      await underLock(parts, keys.storageCountLock(), goOn);
    },
  };
}
