import type { Inventory } from '@karst/shared/protocol/node.ts';
import { toolOutput } from './tool-output.ts';

type Gpu = Inventory['gpus'][number];

export async function readNvidiaGpus(): Promise<Gpu[]> {
  const query = '--query-gpu=index,name,uuid,memory.total';
  const text = await toolOutput('nvidia-smi', [query, '--format=csv,noheader,nounits']);
  return text === undefined ? [] : parseNvidiaSmi(text);
}

/** Lines such as `0, NVIDIA H200, GPU-5f0c3a…, 143771`; memory in MiB, `[N/A]` where it is shared. */
export function parseNvidiaSmi(text: string): Gpu[] {
  const gpus: Gpu[] = [];
  for (const line of text.split('\n')) {
    const [index, model, uuid, memory] = line.split(',').map((field) => field.trim());
    if (!model || !/^\d+$/.test(index ?? '') || !uuid?.startsWith('GPU-')) continue;
    const memoryMib = Number(memory);
    gpus.push({
      vendor: 'nvidia',
      model: model.slice(0, 200),
      uuid,
      index: Number(index),
      memoryMib: Number.isFinite(memoryMib) ? Math.floor(memoryMib) : 0,
    });
  }
  return gpus;
}
