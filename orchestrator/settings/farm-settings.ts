import type {
  LimitSettings,
  PoolSettings,
  ShareSettings,
} from '@karst/shared/protocol/farm-settings.ts';
import type { StorageSettings } from '@karst/shared/protocol/storage-settings.ts';
import { isWithinSchedule } from '@karst/shared/schedule/within-schedule.ts';
import type { Admission } from '../scheduler/scheduler.ts';
import type { Redis } from '../store/connection.ts';
import { keys } from '../store/keys.ts';
import { asInteger } from '../store/reply.ts';
import { loadScript } from '../store/script.ts';
import { ceilingsOf, parseSetting, type Setting, type SettingName, settingKey } from './setting.ts';

const changeSettingScript = loadScript('change_setting');

/**
 * What the operators set: shares of studios and projects, limits, pools, how long jobs are kept. Redis holds them, every
 * replica keeps a copy; a change is told to all. Ceilings go to the ledger with the same call.
 */
export class FarmSettings {
  private readonly redis: Redis;
  private shares = new Map<string, ShareSettings>();
  private limits = new Map<string, LimitSettings>();
  private pools = new Map<string, PoolSettings>();
  private storage = new Map<string, StorageSettings>();

  constructor(redis: Redis) {
    this.redis = redis;
  }

  /** Reads everything anew. */
  async load(): Promise<void> {
    const all = await this.redis.hgetall(keys.settings());
    const shares = new Map<string, ShareSettings>();
    const limits = new Map<string, LimitSettings>();
    const pools = new Map<string, PoolSettings>();
    const storage = new Map<string, StorageSettings>();
    for (const [key, text] of Object.entries(all)) {
      const setting = parseSetting(key, text);
      if (setting.kind === 'limit') limits.set(setting.name, setting.value);
      else if (setting.kind === 'pool') pools.set(setting.name, setting.value);
      else if (setting.kind === 'storage') storage.set(setting.name, setting.value);
      else shares.set(setting.name, setting.value);
    }
    [this.shares, this.limits, this.pools] = [shares, limits, pools];
    this.storage = storage;
  }

  /** Accounts with settings of their own: `STUDIO` or `STUDIO/PROJECT`. */
  shareSettings(): ReadonlyMap<string, ShareSettings> {
    return this.shares;
  }

  /** By `STUDIO` or `STUDIO/PROJECT`. */
  storageSettings(): ReadonlyMap<string, StorageSettings> {
    return this.storage;
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

  /** As Redis has it at this moment. */
  async read(name: SettingName): Promise<Setting | undefined> {
    const text = await this.redis.hget(keys.settings(), settingKey(name));
    return text === null ? undefined : parseSetting(settingKey(name), text);
  }

  /** Stores a setting and puts its ceilings into force, in one step. */
  async set(setting: Setting): Promise<void> {
    await this.change(setting, '', setting);
    await this.load();
  }

  /** False: there was no such setting. */
  async remove(name: SettingName): Promise<boolean> {
    const removed = await this.change(name, '', undefined);
    await this.load();
    return removed;
  }

  /** Changes how many of a limit are in use elsewhere, and nothing else of it; undefined: no such limit. */
  async setLimitUse(name: string, usedElsewhere: number): Promise<LimitSettings | undefined> {
    const key = settingKey({ kind: 'limit', name });
    for (;;) {
      const text = await this.redis.hget(keys.settings(), key);
      const setting = text === null ? undefined : parseSetting(key, text);
      if (text === null || setting?.kind !== 'limit') return undefined;
      const value = { ...setting.value, usedElsewhere };
      // Somebody changed the limit in between: what they said stands, so it is read again.
      if (!(await this.change(setting, text, { ...setting, value }))) continue;
      this.limits.set(name, value);
      return value;
    }
  }

  private async change(
    name: SettingName,
    expected: string,
    setting: Setting | undefined,
  ): Promise<boolean> {
    const reply = await changeSettingScript.run(
      this.redis,
      {
        settings_key: keys.settings(),
        ceilings_key: keys.ledgerCeilings(),
        full_key: keys.ledgerFull(),
      },
      {
        name: settingKey(name),
        expected,
        value: setting === undefined ? '' : JSON.stringify(setting.value),
      },
      [...ceilingsOf(name, setting)].flatMap(([counter, max]) => [counter, max ?? '']),
    );
    return asInteger(reply) === 1;
  }
}
