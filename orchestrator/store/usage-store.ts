import { z } from 'zod';
import type { Redis } from './connection.ts';
import { keys } from './keys.ts';
import { loadScript } from './script.ts';

const chargeUsageScript = loadScript('charge_usage');
const restoreUsageScript = loadScript('restore_usage');

const scriptKeys = {
  usage_key: keys.usage(),
  spent_key: keys.spent(),
  mirror_key: keys.usageMirror(),
};

/** What storage keeps of all accounts, `STUDIO` or `STUDIO/PROJECT`. */
export const usageFileSchema = z.object({
  accounts: z.record(
    z.string(),
    z.object({
      /** Core-seconds, decayed, as they counted at `atMs`. */
      usage: z.number().min(0),
      atMs: z.number().min(0),
      /** Core-seconds ever used. */
      spent: z.number(),
    }),
  ),
});
export type UsageFile = z.infer<typeof usageFileSchema>;

/** How far the copy in storage is behind. */
export interface MirrorState {
  /** Counts charges to any account. */
  readonly changes: number;
  /** Of them, those that storage has. */
  readonly kept: number;
  /** When storage was written last; 0: never. */
  readonly keptAtMs: number;
}

/** Usage of studios and projects, decaying and in total; what a replica that starts begins with. */
export class UsageStore {
  private readonly redis: Redis;
  private readonly halfLifeMs: number;

  constructor(redis: Redis, halfLifeMs: number) {
    this.redis = redis;
    this.halfLifeMs = halfLifeMs;
  }

  async charge(charges: ReadonlyMap<string, number>, nowMs: number): Promise<void> {
    await chargeUsageScript.run(
      this.redis,
      scriptKeys,
      { now_ms: nowMs, half_life_ms: this.halfLifeMs },
      [...charges].flat(),
    );
  }

  /** Every account's core-seconds and when they counted so. */
  async all(): Promise<{ account: string; usage: number; atMs: number }[]> {
    const hash = await this.redis.hgetall(keys.usage());
    return Object.entries(hash).map(([account, text]) => {
      const [usage, atMs] = text.split(' ').map(Number);
      return { account, usage: usage ?? 0, atMs: atMs ?? 0 };
    });
  }

  /** Core-seconds every account ever used; undefined: Redis was emptied and knows nothing of them. */
  async spent(): Promise<Map<string, number> | undefined> {
    // In this order: a Redis emptied in between has no farm any more.
    const [hash, farm] = await Promise.all([
      this.redis.hgetall(keys.spent()),
      this.redis.get(keys.farm()),
    ]);
    if (farm === null) return undefined;
    return new Map(Object.entries(hash).map(([account, text]) => [account, Number(text)]));
  }

  async mirrorState(): Promise<MirrorState> {
    const fields = ['changes', 'kept', 'keptAtMs'] as const;
    const [changes, kept, keptAtMs] = await this.redis.hmget(keys.usageMirror(), ...fields);
    return {
      changes: Number(changes ?? 0),
      kept: Number(kept ?? 0),
      keptAtMs: Number(keptAtMs ?? 0),
    };
  }

  /** Storage has what stood after so many changes. */
  async noteKept(changes: number, nowMs: number): Promise<void> {
    await this.redis.hset(keys.usageMirror(), { kept: changes, keptAtMs: nowMs });
  }

  /** For storage; undefined: Redis was emptied, and storage has more than it. */
  async toKeep(): Promise<UsageFile | undefined> {
    const usages = await this.all();
    const spent = await this.spent();
    if (spent === undefined) return undefined;
    const accounts = usages.map(({ account, ...used }) => [
      account,
      { ...used, spent: spent.get(account) ?? 0 },
    ]);
    return { accounts: Object.fromEntries(accounts) };
  }

  /** Puts back what storage kept. Harmless when repeated. */
  async restore({ accounts }: UsageFile): Promise<void> {
    const entries = Object.entries(accounts).flatMap(([account, { usage, atMs, spent }]) => [
      account,
      `${usage} ${atMs}`,
      spent,
    ]);
    await restoreUsageScript.run(this.redis, scriptKeys, {}, entries);
  }
}
