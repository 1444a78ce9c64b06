import type { Capabilities } from '@karst/orchestrator/scheduler/capabilities.ts';
import { DEFAULT_POOL } from '@karst/shared/protocol/node-settings.ts';

/** An ordinary machine, with what is given changed. */
export const capabilitiesOf = (given: Partial<Capabilities>): Capabilities => ({
  name: 'n1',
  vcpus: 8,
  memoryMib: 32_768,
  scratchGib: 100,
  devices: [],
  amounts: {},
  attributes: { 'attr.worker.os.family': ['linux'], 'attr.worker.cpu.arch': ['x86_64'] },
  software: {},
  tags: [],
  pool: DEFAULT_POOL,
  region: undefined,
  site: undefined,
  provider: undefined,
  latencyMs: {},
  prices: {},
  ...given,
});
