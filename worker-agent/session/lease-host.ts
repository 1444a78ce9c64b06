import type { Gpu } from '@karst/shared/protocol/inventory.ts';
import type { Resources } from '@karst/shared/protocol/lease.ts';
import type { HostEnvironment } from './task-environment.ts';

/** Of AMD and Ascend, whose runtimes take an empty list for no list: no device has this number. */
const noDevice = '-1';

/**
 * The machine as the tasks of one lease see it, and the environments of its session: only the GPUs
 * that were reserved for it, none if none were, and what else it may use. A lease for which nothing was
 * reserved sees what the agent was given. `gpus` is the inventory's list. Throws when a GPU isn't in it.
 */
export function leaseHost(
  host: HostEnvironment,
  resources: Resources | undefined,
  gpus: readonly Gpu[],
): HostEnvironment {
  if (resources === undefined) return host;
  const granted = resources.gpus.map((place) => {
    const gpu = gpus[place];
    if (gpu === undefined)
      throw new Error(`granted GPU ${place}, but this node has ${gpus.length}`);
    return { ...gpu, index: gpu.index ?? place };
  });
  const reserved = {
    ...deviceVariables(granted),
    KARST_VCPUS: String(resources.vcpus),
    KARST_MEMORY_MIB: String(resources.memoryMib),
    KARST_GPUS: String(granted.length),
  };
  return { ...host, reserved };
}

function deviceVariables(gpus: readonly (Gpu & { index: number })[]): Record<string, string> {
  const of = (vendor: Gpu['vendor']) => gpus.filter((gpu) => gpu.vendor === vendor);
  const list = (words: readonly (string | number)[], none: string) => words.join(',') || none;
  // CUDA numbers the fastest first, nvidia-smi by bus: only UUIDs mean the same to both.
  const nvidia = of('nvidia').map(({ uuid, index }) => uuid ?? index);
  const amd = of('amd').map(({ index }) => index);
  return {
    CUDA_VISIBLE_DEVICES: nvidia.join(','),
    NVIDIA_VISIBLE_DEVICES: list(nvidia, 'void'),
    ROCR_VISIBLE_DEVICES: list(amd, noDevice),
    // HIP counts among those that ROCr leaves.
    HIP_VISIBLE_DEVICES: list([...amd.keys()], noDevice),
    ASCEND_RT_VISIBLE_DEVICES: list(
      of('ascend').map(({ index }) => index),
      noDevice,
    ),
  };
}
