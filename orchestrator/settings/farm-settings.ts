import {
  type LimitSettings,
  limitMaxForFarm,
  limitSettingsSchema,
  type PoolSettings,
  poolSettingsSchema,
  type ShareSettings,
  shareSettingsSchema,
} from '@karst/shared/protocol/farm-settings.ts';
import { isWithinSchedule } from '@karst/shared/schedule/within-schedule.ts';
import type { Redis } from 'ioredis';
import { counterNames } from '../scheduler/counters.ts';
import type { Admission } from '../scheduler/scheduler.ts';
import { keys } from '../store/keys.ts';
import type { Ledger } from '../store/ledger.ts';

/** `studio/NAME`, `project/STUDIO/NAME`, `limit/NAME`, `pool/NAME`. */
export type SettingKey = `${'studio' | 'project' | 'limit' | 'pool'}/${string}`;

const ceilingsOf = (
  names: { tasks: string; gpus: string; nodes: string },
  settings: ShareSettings | undefined,
): [string, number | undefined][] => [
  [names.tasks, settings?.maxTasks],
  [names.gpus, settings?.maxGpus],
  [names.nodes, settings?.maxNodes],
];

/**
 * What the operators set: shares of studios and projects, limits, pools. Redis holds them, every
 * replica keeps a copy; a change is told to all. Ceilings go to the ledger with the same call.
 */
export class FarmSettings {
  private readonly redis: Redis;
  private readonly ledger: Ledger;
  private shares = new Map<string, ShareSettings>();
  private limits = new Map<string, LimitSettings>();
  private pools = new Map<string, PoolSettings>();

  constructor(redis: Redis, ledger: Ledger) {
    this.redis = redis;
    this.ledger = ledger;
  }

  /** Reads everything anew. */
  async load(): Promise<void> {
    const all = await this.redis.hgetall(keys.settings());
    const shares = new Map<string, ShareSettings>();
    const limits = new Map<string, LimitSettings>();
    const pools = new Map<string, PoolSettings>();
    for (const [key, text] of Object.entries(all)) {
      const name = key.slice(key.indexOf('/') + 1);
      const value: unknown = JSON.parse(text);
      if (key.startsWith('limit/')) limits.set(name, limitSettingsSchema.parse(value));
      else if (key.startsWith('pool/')) pools.set(name, poolSettingsSchema.parse(value));
      else shares.set(name, shareSettingsSchema.parse(value));
    }
    [this.shares, this.limits, this.pools] = [shares, limits, pools];
  }

  /** Accounts with settings of their own: `STUDIO` or `STUDIO/PROJECT`. */
  shareSettings(): ReadonlyMap<string, ShareSettings> {
    return this.shares;
  }

  limit(name: string): LimitSettings | undefined {
    return this.limits.get(name);
  }

  limitNames(): string[] {
    return [...this.limits.keys()].sort();
  }

  poolSettings(): ReadonlyMap<string, PoolSettings> {
    return this.pools;
  }

  isPerHost(limit: string): boolean {
    return this.limits.get(limit)?.per === 'host';
  }

  /** Whose jobs a node of the pool takes at a moment; undefined: nobody's, it is outside its hours. */
  admission(pool: string, nowMs: number): Admission | undefined {
    const settings = this.pools.get(pool);
    if (settings === undefined) return {};
    const { studios, classes, exclusive, schedule } = settings;
    if (schedule !== undefined && !isWithinSchedule(schedule, nowMs)) return undefined;
    return { studios, classes, exclusive };
  }

  /** Stores a setting (undefined: removes it) and puts its ceilings into force. */
  async set(
    key: SettingKey,
    value: ShareSettings | LimitSettings | PoolSettings | undefined,
  ): Promise<void> {
    if (value === undefined) await this.redis.hdel(keys.settings(), key);
    else await this.redis.hset(keys.settings(), key, JSON.stringify(value));
    await this.load();
    await this.enforce();
  }

  /** Puts every ceiling into the ledger, as it must stand after Redis was emptied too. */
  async enforce(): Promise<void> {
    const wanted = new Map<string, number | undefined>();
    for (const name of (await this.ledger.ceilings()).keys()) {
      if (!name.startsWith('job:')) wanted.set(name, undefined);
    }
    for (const [name, settings] of this.shares) {
      const [studio = '', project] = name.split('/');
      const names =
        project === undefined
          ? {
              tasks: counterNames.studioTasks(studio),
              gpus: counterNames.studioGpus(studio),
              nodes: counterNames.studioNodes(studio),
            }
          : {
              tasks: counterNames.projectTasks(studio, project),
              gpus: counterNames.projectGpus(studio, project),
              nodes: counterNames.projectNodes(studio, project),
            };
      for (const [counter, max] of ceilingsOf(names, settings)) wanted.set(counter, max);
    }
    for (const [name, settings] of this.limits) {
      wanted.set(counterNames.limit(name), limitMaxForFarm(settings));
    }
    if (wanted.size > 0) await this.ledger.setCeilings(wanted);
  }
}
