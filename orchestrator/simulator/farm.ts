import { DEFAULT_POOL } from '@karst/shared/protocol/node-settings.ts';
import type { FarmFile, NodeGroup } from '@karst/shared/simulation/farm-file.ts';
import type { Capabilities } from '../scheduler/capabilities.ts';
import type { Admission } from '../scheduler/scheduler.ts';

const MIB_PER_GIB = 1024;

/** What `count` nodes of a farm have, all together. */
export interface Capacity {
  slots: number;
  cores: number;
  gpus: number;
}

export function capacityOf(groups: readonly NodeGroup[]): Capacity {
  const sum = (of: (group: NodeGroup) => number) =>
    groups.reduce((all, group) => all + group.count * of(group), 0);
  return {
    slots: sum(({ slots }) => slots),
    cores: sum(({ cores }) => cores),
    gpus: sum(({ gpus }) => gpus?.count ?? 0),
  };
}

/** Node number `n` of a group as matching sees it: names in lower case. */
export function capabilitiesOf(group: NodeGroup, n: number): Capabilities {
  const { gpus } = group;
  return {
    name: `${group.name}-${n + 1}`.toLowerCase(),
    vcpus: group.cores,
    memoryMib: group.memoryGib * MIB_PER_GIB,
    scratchGib: group.scratchGib,
    devices: Array.from({ length: gpus?.count ?? 0 }, (_, index) => ({
      index,
      model: gpus?.model ?? '',
      memoryMib: (gpus?.memoryGib ?? 0) * MIB_PER_GIB,
    })),
    amounts: {},
    attributes: { 'attr.worker.os.family': ['linux'], 'attr.worker.cpu.arch': ['x86_64'] },
    software: group.software,
    tags: group.tags,
    pool: group.pool ?? DEFAULT_POOL,
    region: group.region,
    site: group.site,
    provider: undefined,
    latencyMs: group.latencyMs,
    prices: group.prices,
  };
}

/** Whom the group's pool lets in. */
export function admissionOf(group: NodeGroup, { pools }: FarmFile): Admission {
  const pool = pools[group.pool ?? DEFAULT_POOL];
  return { studios: pool?.studios, classes: pool?.classes, exclusive: pool?.exclusive };
}
