import type { Inventory } from '@karst/shared/protocol/inventory.ts';
import { DEFAULT_POOL, type NodeSettings } from '@karst/shared/protocol/node-settings.ts';
import type { Capabilities } from './capabilities.ts';

const lower = (values: readonly string[]) => values.map((value) => value.toLowerCase());

/** What a node can do, from what its agent found and what its operator set. */
export function capabilitiesFrom(
  name: string,
  inventory: Inventory,
  { pool, tags, prices }: Pick<NodeSettings, 'pool' | 'tags' | 'prices'>,
): Capabilities {
  const custom = Object.entries(inventory.attributes ?? {});
  return {
    name,
    vcpus: inventory.cpuCount,
    memoryMib: inventory.memoryMib,
    scratchGib: inventory.scratchMib / 1024,
    devices: inventory.gpus.map(({ model, memoryMib }, index) => ({ index, model, memoryMib })),
    amounts: Object.fromEntries(
      Object.entries(inventory.amounts ?? {}).map(([key, amount]) => [key.toLowerCase(), amount]),
    ),
    attributes: {
      ...Object.fromEntries(custom.map(([key, values]) => [key.toLowerCase(), lower(values)])),
      'attr.worker.os.family': [inventory.os],
      'attr.worker.cpu.arch': [inventory.arch],
    },
    software: inventory.software ?? {},
    tags: [...new Set([...(inventory.tags ?? []), ...tags])],
    pool,
    region: inventory.region,
    site: inventory.site,
    provider: inventory.provider,
    latencyMs: inventory.latencyMs ?? {},
    prices,
  };
}

/** A node that has not said what it is: good for tasks that ask for nothing. */
export const unknownCapabilities = (name: string): Capabilities => ({
  name,
  vcpus: 0,
  memoryMib: 0,
  scratchGib: 0,
  devices: [],
  amounts: {},
  attributes: {},
  software: {},
  tags: [],
  pool: DEFAULT_POOL,
  region: undefined,
  site: undefined,
  provider: undefined,
  latencyMs: {},
  prices: {},
});
