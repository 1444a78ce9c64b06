import { tmpdir } from 'node:os';
import { inventorySchema } from '@karst/shared/protocol/node.ts';
import { describe, expect, it } from 'vitest';
import { parseRocmSmi } from '../../worker-agent/hardware/amd.ts';
import { parseNpuSmi } from '../../worker-agent/hardware/ascend.ts';
import { type InventoryOptions, takeInventory } from '../../worker-agent/hardware/inventory.ts';
import { parseNvidiaSmi } from '../../worker-agent/hardware/nvidia.ts';

const machine = (more: Partial<InventoryOptions> = {}): InventoryOptions => ({
  scratchDir: tmpdir(),
  agentVersion: '0.1.0',
  devices: {},
  told: { tags: [], amounts: {}, attributes: {}, software: {}, latencyMs: {} },
  ...more,
});

describe('hardware', () => {
  it('of this machine makes a valid inventory', async () => {
    const inventory = await takeInventory(machine());
    expect(inventorySchema.parse(inventory)).toEqual(inventory);
    expect(inventory.cpuCount).toBeGreaterThan(0);
    expect(inventory.memoryMib).toBeGreaterThan(100);
  });

  it('is read from nvidia-smi, shared memory and trouble included', () => {
    const text = [
      '0, NVIDIA H200, GPU-22b2c6ac-2d49-4863-197c-9c469071178a, 143771',
      '1, NVIDIA GB10, GPU-101b1cf0-fdf7-b374-a62c-76b25134fcf2, [N/A]',
      '',
    ].join('\n');
    expect(parseNvidiaSmi(text)).toEqual([
      {
        vendor: 'nvidia',
        model: 'NVIDIA H200',
        uuid: 'GPU-22b2c6ac-2d49-4863-197c-9c469071178a',
        index: 0,
        memoryMib: 143_771,
      },
      {
        vendor: 'nvidia',
        model: 'NVIDIA GB10',
        uuid: 'GPU-101b1cf0-fdf7-b374-a62c-76b25134fcf2',
        index: 1,
        memoryMib: 0,
      },
    ]);
    expect(parseNvidiaSmi('No devices were found\n')).toEqual([]);
  });

  it('is read from rocm-smi, whose keys change their case from release to release', () => {
    const text = `WARNING: AMD GPU device(s) is/are in a low-power state.
{
  "card0": {
    "Unique ID": "0x9246dcba01234567",
    "VRAM Total Memory (B)": "21458059264",
    "VRAM Total Used Memory (B)": "27856896",
    "Card Series": "Radeon RX 7900 XT",
    "Card Model": "0x744c"
  },
  "card1": {
    "Unique ID": "N/A",
    "VRAM Total Memory (B)": "34342961152",
    "Card series": "Arcturus GL-XL [AMD Instinct MI100]"
  },
  "system": { "Driver version": "6.7.0" }
}`;
    expect(parseRocmSmi(text)).toEqual([
      {
        vendor: 'amd',
        model: 'Radeon RX 7900 XT',
        uuid: '0x9246dcba01234567',
        index: 0,
        memoryMib: 20_464,
      },
      { vendor: 'amd', model: 'Arcturus GL-XL [AMD Instinct MI100]', index: 1, memoryMib: 32_752 },
    ]);
    expect(parseRocmSmi('')).toEqual([]);
    expect(parseRocmSmi('{"card0": 3}')).toEqual([]);
  });

  it('is read from npu-smi, one or two chips on a card, processes left out', () => {
    const text = `
+------------------------------------------------------------------------------------------------+
| npu-smi 25.2.0                   Version: 25.2.0                                               |
+---------------------------+---------------+----------------------------------------------------+
| NPU   Name                | Health        | Power(W)    Temp(C)           Hugepages-Usage(page)|
| Chip  Phy-ID              | Bus-Id        | AICore(%)   Memory-Usage(MB)  HBM-Usage(MB)        |
+===========================+===============+====================================================+
| 0     910B4-1             | OK            | 91.3        33                0    / 0             |
| 0                         | 0000:C1:00.0  | 0           0    / 0          3197 / 65536         |
+===========================+===============+====================================================+
| 1     Ascend910           | OK            | 178.5       36                0    / 0             |
| 0     0                   | 0000:9D:00.0  | 0           0    / 0          3416 / 65536         |
+------------------------------------------------------------------------------------------------+
| 1     Ascend910           | OK            | -           36                0    / 0             |
| 1     1                   | 0000:9F:00.0  | 0           0    / 0          15242/ 32768         |
+===========================+===============+====================================================+
+---------------------------+---------------+----------------------------------------------------+
| NPU     Chip              | Process id    | Process name             | Process memory(MB)      |
+===========================+===============+====================================================+
| 0       0                 | 692318        | python3                  | 12417                   |
+===========================+===============+====================================================+
`;
    expect(parseNpuSmi(text)).toEqual([
      { vendor: 'ascend', model: 'Ascend 910B4-1', index: 0, memoryMib: 65_536 },
      { vendor: 'ascend', model: 'Ascend910', index: 1, memoryMib: 65_536 },
      { vendor: 'ascend', model: 'Ascend910', index: 2, memoryMib: 32_768 },
    ]);
  });
});
