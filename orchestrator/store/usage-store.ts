import type { Redis } from './connection.ts';
import { keys } from './keys.ts';
import { loadScript } from './script.ts';

const chargeUsageScript = loadScript('charge_usage');

/** Usage of studios and projects, decaying; what a replica that starts begins with. */
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
      { usage_key: keys.usage() },
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
}
