import { statfs } from 'node:fs/promises';
import { arch, cpus, hostname, platform, totalmem } from 'node:os';
import type { Inventory } from '@karst/shared/protocol/node.ts';
import { readAmdGpus } from './amd.ts';
import { readAscendNpus } from './ascend.ts';
import { givenGpus } from './given-devices.ts';
import { readNvidiaGpus } from './nvidia.ts';
import { findSoftware } from './software.ts';
import type { ToldInventory } from './told-inventory.ts';

const mebibyte = 1024 * 1024;
const operatingSystems: Partial<Record<NodeJS.Platform, Inventory['os']>> = {
  linux: 'linux',
  darwin: 'macos',
  win32: 'windows',
};
const architectures: Record<string, Inventory['arch']> = { x64: 'x86_64', arm64: 'arm64' };

export interface InventoryOptions {
  /** Where sessions are. */
  scratchDir: string;
  agentVersion: string;
  /** PATH of tasks, where applications are looked for; absent: they aren't. */
  softwarePath?: string;
  /** Variables that restrict which accelerators the agent may use. */
  devices: Readonly<Record<string, string>>;
  told: ToldInventory;
}

/** What this machine is. Throws on an operating system or processor that Karst doesn't know. */
export async function takeInventory(options: InventoryOptions): Promise<Inventory> {
  const { agentVersion, told } = options;
  const os = operatingSystems[platform()];
  const cpuArch = architectures[arch()];
  if (os === undefined || cpuArch === undefined) {
    throw new Error(`unsupported machine: ${platform()} on ${arch()}`);
  }
  const processors = cpus();
  const { bavail, bsize } = await statfs(options.scratchDir);
  const { softwarePath } = options;
  const software = softwarePath === undefined ? {} : findSoftware(softwarePath);
  const gpus = await Promise.all([readNvidiaGpus(), readAmdGpus(), readAscendNpus()]);
  return {
    hostname: hostname().slice(0, 255),
    os,
    arch: cpuArch,
    cpuModel: (processors[0]?.model ?? 'unknown').trim().slice(0, 200),
    cpuCount: Math.max(1, processors.length),
    memoryMib: Math.floor(totalmem() / mebibyte),
    scratchMib: Math.floor((bavail * bsize) / mebibyte),
    gpus: givenGpus(gpus.flat(), options.devices).slice(0, 64),
    agentVersion,
    ...told,
    software: { ...(await software), ...told.software },
  };
}
