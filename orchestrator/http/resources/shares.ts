import type { Clock } from '@karst/shared/clock.ts';
import { type NamedShare, shareSettingsSchema } from '@karst/shared/protocol/farm-settings.ts';
import { studioIdSchema } from '@karst/shared/protocol/ids.ts';
import { type Budgets, CORE_SECONDS_PER_CORE_HOUR } from '../../scheduler/budgets.ts';
import type { Shares } from '../../scheduler/shares.ts';
import type { FarmSettings } from '../../settings/farm-settings.ts';
import { shareCounters } from '../../settings/setting.ts';
import type { SettingsControl } from '../../settings/settings-control.ts';
import type { Ledger } from '../../store/ledger.ts';
import { type Handlers, ProblemError } from '../handler.ts';

type ShareHandlers = Pick<
  Handlers,
  | 'getOwnShare'
  | 'listShares'
  | 'setStudioShare'
  | 'deleteStudioShare'
  | 'setProjectShare'
  | 'deleteProjectShare'
>;

export function shareHandlers(parts: {
  settings: FarmSettings;
  settingsControl: SettingsControl;
  ledger: Ledger;
  shares: Shares;
  budgets: Budgets;
  clock: Clock;
}): ShareHandlers {
  const { settings, settingsControl, ledger, shares, budgets, clock } = parts;

  /** `name`: `STUDIO` or `STUDIO/PROJECT`. */
  async function read(name: string): Promise<NamedShare> {
    const [studio, project] = name.split('/');
    const { tasks, gpus, nodes } = shareCounters(name);
    const [runningTasks = 0, gpuCount = 0, nodeCount = 0] = await ledger.counts([
      tasks,
      gpus,
      nodes,
    ]);
    const own = settings.shareSettings().get(name) ?? shareSettingsSchema.parse({});
    return {
      ...own,
      studio: studioIdSchema.parse(studio),
      ...(project === undefined ? {} : { project }),
      usage: shares.usageAt(shares.account(name), clock.nowMs()),
      spentCoreHours: budgets.spentBy(name) / CORE_SECONDS_PER_CORE_HOUR,
      runningTasks,
      gpus: gpuCount,
      nodes: nodeCount,
    };
  }

  /** Whom this replica knows of: by settings, or by leases it heard of. */
  function known(studio?: string): string[] {
    const names = new Set(settings.shareSettings().keys());
    for (const { name } of shares.all()) names.add(name);
    const wanted = (name: string) => studio === undefined || name.startsWith(`${studio}/`);
    return [...names].filter(wanted).sort();
  }

  async function remove(kind: 'studio' | 'project', name: string): Promise<Record<string, never>> {
    if (await settingsControl.remove({ kind, name })) return {};
    throw new ProblemError('not_found', `No share is set for ${name}.`);
  }

  return {
    async getOwnShare(_input, { principal: { studio } }) {
      const names = known(studio);
      const [own, ...projects] = await Promise.all([read(studio), ...names.map(read)]);
      return { studio: own, projects };
    },
    async listShares() {
      return { items: await Promise.all(known().map(read)) };
    },
    async setStudioShare({ params: { studio }, body }) {
      await settingsControl.set({ kind: 'studio', name: studio, value: body });
      return await read(studio);
    },
    deleteStudioShare: ({ params: { studio } }) => remove('studio', studio),
    async setProjectShare({ params: { studio, project }, body }) {
      const name = `${studio}/${project}`;
      await settingsControl.set({ kind: 'project', name, value: body });
      return await read(name);
    },
    deleteProjectShare: ({ params: { studio, project } }) =>
      remove('project', `${studio}/${project}`),
  };
}
