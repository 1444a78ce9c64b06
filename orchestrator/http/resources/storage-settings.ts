import { studioIdSchema } from '@karst/shared/protocol/ids.ts';
import type {
  NamedStorageSettings,
  StorageSettings,
} from '@karst/shared/protocol/storage-settings.ts';
import { usedBytes } from '../../domain/storage-totals.ts';
import type { FarmSettings } from '../../settings/farm-settings.ts';
import type { SettingsControl } from '../../settings/settings-control.ts';
import type { StorageUseStore } from '../../store/storage-use-store.ts';
import { type Handlers, ProblemError } from '../handler.ts';

type StorageSettingsHandlers = Pick<
  Handlers,
  | 'listStorageSettings'
  | 'setStudioStorage'
  | 'deleteStudioStorage'
  | 'setProjectStorage'
  | 'deleteProjectStorage'
>;

export function storageSettingsHandlers(parts: {
  settings: FarmSettings;
  settingsControl: SettingsControl;
  storageUse: StorageUseStore;
}): StorageSettingsHandlers {
  const { settings, settingsControl, storageUse } = parts;

  function named(name: string, value: StorageSettings): NamedStorageSettings {
    const [studio, project] = name.split('/');
    const whose = project === undefined ? {} : { project };
    return { ...value, studio: studioIdSchema.parse(studio), ...whose };
  }

  async function set(name: string, value: StorageSettings): Promise<NamedStorageSettings> {
    await settingsControl.set({ kind: 'storage', name, value });
    return named(name, value);
  }

  async function remove(name: string): Promise<Record<string, never>> {
    if (await settingsControl.remove({ kind: 'storage', name })) return {};
    throw new ProblemError('not_found', `Nothing is set for ${name}.`);
  }

  return {
    async listStorageSettings() {
      const all = [...settings.storageSettings()].sort(([a], [b]) => (a < b ? -1 : 1));
      const items = all.map(async ([name, value]) => {
        const item = named(name, value);
        if (item.project !== undefined) return item;
        return { ...item, usedBytes: usedBytes((await storageUse.read(item.studio)).totals) };
      });
      return { items: await Promise.all(items) };
    },
    setStudioStorage: ({ params: { studio }, body }) => set(studio, body),
    deleteStudioStorage: ({ params: { studio } }) => remove(studio),
    setProjectStorage: ({ params: { studio, project }, body }) => set(`${studio}/${project}`, body),
    deleteProjectStorage: ({ params: { studio, project } }) => remove(`${studio}/${project}`),
  };
}
