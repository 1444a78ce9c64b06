import type { Inventory } from '@karst/shared/protocol/node.ts';
import { toolOutput } from './tool-output.ts';

type Gpu = Inventory['gpus'][number];

export async function readAscendNpus(): Promise<Gpu[]> {
  const text = await toolOutput('npu-smi', ['info']);
  return text === undefined ? [] : parseNpuSmi(text);
}

/**
 * npu-smi's table: two rows for each chip, `| 0  910B3 | OK | … |` with its name, then
 * `| 0 | 0000:C1:00.0 | 0 0 / 0 3384 / 65536 |` with its memory (the last `used / total`, MiB).
 * Ascend's runtime numbers the chips across cards, in the table's order.
 */
export function parseNpuSmi(text: string): Gpu[] {
  const gpus: Gpu[] = [];
  let model: string | undefined;
  for (const line of text.split('\n')) {
    const cells = line.split('|').map((cell) => cell.trim());
    const [, first = '', second = '', third = ''] = cells;
    const named = /^\d+\s+(\S+)$/.exec(first);
    if (named?.[1] !== undefined && !second.includes(':')) {
      model = named[1];
      continue;
    }
    if (model === undefined || !/^[0-9A-Fa-f]{4}:[0-9A-Fa-f]{2}:/.test(second)) continue;
    const total = [...third.matchAll(/\d+\s*\/\s*(\d+)/g)].at(-1)?.[1];
    const name = model.startsWith('Ascend') ? model : `Ascend ${model}`;
    gpus.push({ vendor: 'ascend', model: name, index: gpus.length, memoryMib: Number(total ?? 0) });
    model = undefined;
  }
  return gpus;
}
