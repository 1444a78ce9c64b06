import type { LimitSettings } from '@karst/shared/protocol/farm-settings.ts';
import type { WakeBus } from '../dispatch/wake-bus.ts';
import { objectKeys } from '../objects/keys.ts';
import type { ObjectStore } from '../objects/store.ts';
import { counterNames } from '../scheduler/counters.ts';
import type { FarmSettings } from './farm-settings.ts';
import { type Setting, type SettingName, settingSchema } from './setting.ts';

/**
 * Changes settings: in Redis, where they are in force from the next grant on; told to every replica;
 * kept in storage before the caller is answered, so that an emptied Redis gets them back.
 */
export class SettingsControl {
  private readonly settings: FarmSettings;
  private readonly bus: WakeBus;
  private readonly objects: ObjectStore;

  constructor(parts: { settings: FarmSettings; bus: WakeBus; objects: ObjectStore }) {
    this.settings = parts.settings;
    this.bus = parts.bus;
    this.objects = parts.objects;
  }

  async set(setting: Setting): Promise<void> {
    await this.settings.set(setting);
    this.bus.send({ kind: 'settings' });
    await this.mirror(setting);
  }

  /** False: there was no such setting. */
  async remove(name: SettingName): Promise<boolean> {
    const removed = await this.settings.remove(name);
    if (removed) this.bus.send({ kind: 'settings' });
    // Also when it was gone already: a call cut off half-way may have left it in storage.
    await this.mirror(name);
    return removed;
  }

  /** undefined: there is no such limit. */
  async setLimitUse(name: string, usedElsewhere: number): Promise<LimitSettings | undefined> {
    const limit = await this.settings.setLimitUse(name, usedElsewhere);
    if (limit === undefined) return undefined;
    // It moves a ceiling and nothing else, and may come every minute: no replica reads all anew.
    this.bus.send({ kind: 'gates', names: [counterNames.limit(name)] });
    await this.mirror({ kind: 'limit', name });
    return limit;
  }

  /** Two that change one setting may write in either order: the last to write looks again. */
  private async mirror(name: SettingName): Promise<void> {
    const key = objectKeys.setting(name.kind, name.name);
    for (;;) {
      const setting = await this.settings.read(name);
      if (setting === undefined) await this.objects.delete(key);
      else await this.objects.putJson(key, setting);
      const now = await this.settings.read(name);
      if (JSON.stringify(now) === JSON.stringify(setting)) return;
    }
  }
}

/** Brings the settings back that storage holds and Redis does not. */
export async function restoreSettings(
  settings: FarmSettings,
  objects: ObjectStore,
  keys: AsyncIterable<string>,
): Promise<void> {
  for await (const key of keys) {
    const stored = await objects.getJson(key);
    if (stored === undefined) continue;
    const setting = settingSchema.parse(stored);
    if ((await settings.read(setting)) === undefined) await settings.set(setting);
  }
}
