import type { Gpu } from '@karst/shared/protocol/inventory.ts';

/** The variables that restrict the accelerators of each vendor, the first that is set holds. */
const variables: Record<Gpu['vendor'], readonly string[]> = {
  nvidia: ['CUDA_VISIBLE_DEVICES', 'NVIDIA_VISIBLE_DEVICES'],
  amd: ['ROCR_VISIBLE_DEVICES', 'HIP_VISIBLE_DEVICES'],
  ascend: ['ASCEND_RT_VISIBLE_DEVICES'],
};

/**
 * The GPUs that the agent itself was given: vendors' tools list every one of the machine. Numbers and
 * UUIDs (or their beginnings) are understood; a number is the vendor's tool's.
 */
export function givenGpus(gpus: readonly Gpu[], devices: Readonly<Record<string, string>>): Gpu[] {
  return gpus.filter((gpu) => {
    const name = variables[gpu.vendor].find((each) => devices[each] !== undefined);
    const text = (name === undefined ? undefined : devices[name]) ?? 'all';
    if (text === 'all') return true;
    return text.split(',').some((word) => names(gpu, word.trim()));
  });
}

function names({ index, uuid }: Gpu, word: string): boolean {
  if (/^\d+$/.test(word)) return index === Number(word);
  return word.length > 4 && uuid !== undefined && uuid.startsWith(word);
}
