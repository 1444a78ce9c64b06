import type { FarmFile } from '@karst/shared/simulation/farm-file.ts';
import { admissionOf, capabilitiesOf } from './farm.ts';
import { keyOf, RandomStream, subkey } from './random-stream.ts';
import { SimNode } from './sim-node.ts';

const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;

/** The farm's nodes, none of them up yet. */
export function makeNodes(farm: FarmFile, seed: number): SimNode[] {
  return farm.nodes.flatMap((group) => {
    const admission = admissionOf(group, farm);
    const key = subkey(seed, keyOf(`node ${group.name}`));
    return Array.from({ length: group.count }, (_, n) => {
      const random = new RandomStream(subkey(key, n));
      return new SimNode(group, capabilitiesOf(group, n), admission, random);
    });
  });
}

export const joinsAtMs = ({ group }: SimNode): number => group.joinsAtHours * HOUR_MS;

/** When it goes for good; undefined: never. */
export const leavesAtMs = ({ group }: SimNode): number | undefined =>
  group.leavesAtHours === undefined ? undefined : group.leavesAtHours * HOUR_MS;

/** How long a node that just came up lives, ms: exponential. Undefined: it does not fail. */
export function drawLifeMs({ group, random }: SimNode): number | undefined {
  if (group.mttfHours === undefined) return undefined;
  return Math.max(1, Math.round(random.exponential(group.mttfHours * HOUR_MS)));
}

/** How long a failed node is away, ms: exponential. */
export const drawRepairMs = ({ group, random }: SimNode): number =>
  Math.max(1, Math.round(random.exponential(group.repairMinutes * MINUTE_MS)));
