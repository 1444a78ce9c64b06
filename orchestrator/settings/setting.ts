import {
  limitMaxForFarm,
  limitSettingsSchema,
  poolSettingsSchema,
  type ShareSettings,
  shareSettingsSchema,
} from '@karst/shared/protocol/farm-settings.ts';
import { storageSettingsSchema } from '@karst/shared/protocol/storage-settings.ts';
import { z } from 'zod';
import { counterNames } from '../scheduler/counters.ts';

/** One thing that operators set. A project's name is `STUDIO/PROJECT`. */
export const settingSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('studio'), name: z.string(), value: shareSettingsSchema }),
  z.object({ kind: z.literal('project'), name: z.string(), value: shareSettingsSchema }),
  z.object({ kind: z.literal('limit'), name: z.string(), value: limitSettingsSchema }),
  z.object({ kind: z.literal('storage'), name: z.string(), value: storageSettingsSchema }),
  z.object({ kind: z.literal('pool'), name: z.string(), value: poolSettingsSchema }),
]);
export type Setting = z.infer<typeof settingSchema>;
export type SettingName = Pick<Setting, 'kind' | 'name'>;

/** `studio/acme`, `storage/acme/feature film`, `project/acme/feature film`, `limit/houdini`, `pool/gpu`. */
export const settingKey = ({ kind, name }: SettingName): string => `${kind}/${name}`;

/** What a setting was stored as. */
export function parseSetting(key: string, text: string): Setting {
  const slash = key.indexOf('/');
  const [kind, name] = [key.slice(0, slash), key.slice(slash + 1)];
  return settingSchema.parse({ kind, name, value: JSON.parse(text) });
}

/** Counters of a studio's or project's leases. */
export function shareCounters(name: string): { tasks: string; gpus: string; nodes: string } {
  const [studio = '', project] = name.split('/');
  return project === undefined
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
}

/** Every ceiling that the setting decides on, with what it says; undefined: none. */
export function ceilingsOf(
  { kind, name }: SettingName,
  setting: Setting | undefined,
): Map<string, number | undefined> {
  switch (kind) {
    case 'pool':
    case 'storage':
      return new Map();
    case 'limit': {
      const max = setting?.kind === 'limit' ? limitMaxForFarm(setting.value) : undefined;
      return new Map([[counterNames.limit(name), max]]);
    }
    case 'studio':
    case 'project': {
      const share = setting?.kind === kind ? setting.value : undefined;
      return shareCeilings(name, share);
    }
  }
}

function shareCeilings(
  name: string,
  share: ShareSettings | undefined,
): Map<string, number | undefined> {
  const { tasks, gpus, nodes } = shareCounters(name);
  return new Map([
    [tasks, share?.maxTasks],
    [gpus, share?.maxGpus],
    [nodes, share?.maxNodes],
  ]);
}
