import { type Capabilities, DEFAULT_POOL } from '@karst/orchestrator/scheduler/capabilities.ts';

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
  ...given,
});
