import { type NamedPool, poolSettingsSchema } from '@karst/shared/protocol/farm-settings.ts';
import type { FarmSettings } from '../../settings/farm-settings.ts';
import type { SettingsControl } from '../../settings/settings-control.ts';
import type { NodeStore } from '../../store/node-store.ts';
import { type Handlers, ProblemError } from '../handler.ts';

type PoolHandlers = Pick<Handlers, 'listPools' | 'setPool' | 'deletePool'>;

export function poolHandlers(parts: {
  settings: FarmSettings;
  settingsControl: SettingsControl;
  nodes: NodeStore;
}): PoolHandlers {
  const { settings, settingsControl, nodes } = parts;

  function named(name: string, nodeCounts: ReadonlyMap<string, number>): NamedPool {
    const set = settings.poolSettings().get(name);
    return {
      ...(set ?? poolSettingsSchema.parse({})),
      name,
      isSet: set !== undefined,
      nodeCount: nodeCounts.get(name) ?? 0,
    };
  }

  return {
    async listPools() {
      const counts = await nodes.countByPool();
      const names = new Set([...settings.poolSettings().keys(), ...counts.keys()]);
      return { items: [...names].sort().map((name) => named(name, counts)) };
    },
    async setPool({ params: { name }, body }) {
      await settingsControl.set({ kind: 'pool', name, value: body });
      return named(name, await nodes.countByPool());
    },
    async deletePool({ params: { name } }) {
      if (await settingsControl.remove({ kind: 'pool', name })) return {};
      throw new ProblemError('not_found', `Nothing is set for a pool ${name}.`);
    },
  };
}
