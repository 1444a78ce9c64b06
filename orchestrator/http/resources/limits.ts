import {
  type LimitSettings,
  limitMaxForFarm,
  type NamedLimit,
} from '@karst/shared/protocol/farm-settings.ts';
import { counterNames } from '../../scheduler/counters.ts';
import type { FarmSettings } from '../../settings/farm-settings.ts';
import type { SettingsControl } from '../../settings/settings-control.ts';
import type { Ledger } from '../../store/ledger.ts';
import { type Handlers, ProblemError } from '../handler.ts';

type LimitHandlers = Pick<Handlers, 'listLimits' | 'setLimit' | 'setLimitUse' | 'deleteLimit'>;

export function limitHandlers(parts: {
  settings: FarmSettings;
  settingsControl: SettingsControl;
  ledger: Ledger;
}): LimitHandlers {
  const { settings, settingsControl, ledger } = parts;

  async function named(name: string, limit: LimitSettings): Promise<NamedLimit> {
    const [inUse = 0] = await ledger.counts([counterNames.limit(name)]);
    return { ...limit, name, forFarm: limitMaxForFarm(limit), inUse };
  }

  const unknown = (name: string) => new ProblemError('not_found', `There is no limit ${name}.`);

  return {
    async listLimits() {
      // What scripts tell of a limit's use elsewhere is not told to every replica.
      await settings.load();
      const items = settings.limitNames().flatMap((name) => {
        const limit = settings.limit(name);
        return limit === undefined ? [] : [named(name, limit)];
      });
      return { items: await Promise.all(items) };
    },
    async setLimit({ params: { name }, body }) {
      await settingsControl.set({ kind: 'limit', name, value: body });
      return await named(name, body);
    },
    async setLimitUse({ params: { name }, body }) {
      const limit = await settingsControl.setLimitUse(name, body.usedElsewhere);
      if (limit === undefined) throw unknown(name);
      return await named(name, limit);
    },
    async deleteLimit({ params: { name } }) {
      if (!(await settingsControl.remove({ kind: 'limit', name }))) throw unknown(name);
      return {};
    },
  };
}
