import { type StudioId, studioIdSchema } from '@karst/shared/protocol/ids.ts';
import { noTotals, type StorageTotals, storageKinds } from '../domain/storage-totals.ts';
import type { Redis } from './connection.ts';
import { keys } from './keys.ts';
import { asInteger } from './reply.ts';
import { loadScript } from './script.ts';

const countInputsScript = loadScript('count_inputs');
const endCountScript = loadScript('end_storage_count');

const INPUTS_AT_ONCE = 1000;
/** What was offered and not submitted by then is found when storage is counted. */
const OFFERED_SECONDS = 25 * 3600;

const measures = ['bytes', 'objects'] as const;

/** A count of all that a studio stores, under way. */
export interface StorageCount {
  id: string;
  /** What stood when it began. */
  before: StorageTotals;
}

export interface StudioUse {
  totals: StorageTotals;
  /** Absent: never counted, so only what was added is known. */
  countedAtMs?: number;
}

/**
 * What studios store: as counted, and as changed since. A change that a crash loses is found by the next
 * count; one made while a count is under way may count twice until then.
 */
export class StorageUseStore {
  private readonly redis: Redis;

  constructor(redis: Redis) {
    this.redis = redis;
  }

  async read(studio: StudioId): Promise<StudioUse> {
    const hash = await this.redis.hgetall(keys.storageUse(studio));
    const totals = totalsOf(hash);
    for (const kind of storageKinds) {
      // More may have been taken off than was ever added, until it is counted.
      for (const measure of measures) totals[kind][measure] = Math.max(0, totals[kind][measure]);
    }
    const counted = hash.counted_at_ms;
    return counted === undefined ? { totals } : { totals, countedAtMs: Number(counted) };
  }

  /** Of every studio that was ever counted, together. */
  async ofAll(): Promise<StorageTotals> {
    const sum = noTotals();
    const all = await Promise.all((await this.studios()).map((studio) => this.read(studio)));
    for (const { totals } of all) {
      for (const kind of storageKinds) {
        for (const measure of measures) sum[kind][measure] += totals[kind][measure];
      }
    }
    return sum;
  }

  async studios(): Promise<StudioId[]> {
    const names = await this.redis.smembers(keys.storageStudios());
    return names.map((name) => studioIdSchema.parse(name));
  }

  /** Each is copied into the studio's view, too. */
  async outputsAccepted(studio: StudioId, sizesBytes: readonly number[]): Promise<void> {
    const bytes = 2 * sizesBytes.reduce((sum, size) => sum + size, 0);
    await this.change(studio, { outputs: { bytes, objects: 2 * sizesBytes.length } }, 1);
  }

  async takeOff(studio: StudioId, totals: Partial<StorageTotals>): Promise<void> {
    await this.change(studio, totals, -1);
  }

  private async change(
    studio: StudioId,
    totals: Partial<StorageTotals>,
    sign: 1 | -1,
  ): Promise<void> {
    const changes = storageKinds.flatMap((kind) =>
      measures.map((measure) => [`${kind}:${measure}`, totals[kind]?.[measure] ?? 0] as const),
    );
    for (const [field, by] of changes) {
      if (by !== 0) await this.redis.hincrby(keys.storageUse(studio), field, sign * by);
    }
  }

  /** These input files are missing, and a client was told how to upload them. */
  async offered(studio: StudioId, hashes: readonly string[]): Promise<void> {
    if (hashes.length === 0) return;
    const key = keys.storageOffered(studio);
    const names = hashes.map((hash) => hash.slice(0, 16));
    await this.redis.multi().sadd(key, names).expire(key, OFFERED_SECONDS).exec();
  }

  /** A job was made with these inputs: adds those that are new in storage. */
  async submitted(
    studio: StudioId,
    inputs: readonly { sha256: string; sizeBytes: number }[],
  ): Promise<void> {
    const offeredKey = keys.storageOffered(studio);
    if (inputs.length === 0 || (await this.redis.exists(offeredKey)) === 0) return;
    for (let from = 0; from < inputs.length; from += INPUTS_AT_ONCE) {
      await countInputsScript.run(
        this.redis,
        { use_key: keys.storageUse(studio), offered_key: offeredKey },
        {},
        inputs
          .slice(from, from + INPUTS_AT_ONCE)
          .flatMap(({ sha256, sizeBytes }) => [sha256, sizeBytes]),
      );
    }
  }

  /** What was offered until now is the count's to find. */
  async beginCount(studio: StudioId, id: string): Promise<StorageCount> {
    const key = keys.storageUse(studio);
    const before = totalsOf(await this.redis.hgetall(key));
    await this.redis.multi().hset(key, 'count', id).del(keys.storageOffered(studio)).exec();
    return { id, before };
  }

  /** False: another count has begun, or Redis has forgotten this one. */
  async endCount(
    studio: StudioId,
    { id, before }: StorageCount,
    found: StorageTotals,
    nowMs: number,
  ): Promise<boolean> {
    const changes = storageKinds.flatMap((kind) =>
      measures.flatMap((measure) => [
        `${kind}:${measure}`,
        found[kind][measure] - before[kind][measure],
      ]),
    );
    await this.redis.sadd(keys.storageStudios(), studio);
    const reply = await endCountScript.run(
      this.redis,
      { use_key: keys.storageUse(studio) },
      { count: id, now_ms: nowMs },
      changes,
    );
    return asInteger(reply) === 1;
  }
}

function totalsOf(hash: Readonly<Record<string, string>>): StorageTotals {
  const totals = noTotals();
  for (const kind of storageKinds) {
    for (const measure of measures) totals[kind][measure] = Number(hash[`${kind}:${measure}`] ?? 0);
  }
  return totals;
}
