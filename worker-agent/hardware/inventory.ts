import { statfs } from 'node:fs/promises';
import { arch, cpus, hostname, platform, totalmem } from 'node:os';
import type { Inventory } from '@karst/shared/protocol/node.ts';
import { readAmdGpus } from './amd.ts';
import { readAscendNpus } from './ascend.ts';
import { readNvidiaGpus } from './nvidia.ts';

const mebibyte = 1024 * 1024;
const operatingSystems: Partial<Record<NodeJS.Platform, Inventory['os']>> = {
  linux: 'linux',
  darwin: 'macos',
  win32: 'windows',
};
const architectures: Record<string, Inventory['arch']> = { x64: 'x86_64', arm64: 'arm64' };

/** What this machine is. Throws on an operating system or processor that Karst doesn't know. */
export async function takeInventory(scratchDir: string, agentVersion: string): Promise<Inventory> {
  const os = operatingSystems[platform()];
  const cpuArch = architectures[arch()];
  if (os === undefined || cpuArch === undefined) {
    throw new Error(`unsupported machine: ${platform()} on ${arch()}`);
  }
  const processors = cpus();
  const { bavail, bsize } = await statfs(scratchDir);
  const gpus = await Promise.all([readNvidiaGpus(), readAmdGpus(), readAscendNpus()]);
  return {
    hostname: hostname().slice(0, 255),
    os,
    arch: cpuArch,
    cpuModel: (processors[0]?.model ?? 'unknown').trim().slice(0, 200),
    cpuCount: Math.max(1, processors.length),
    memoryMib: Math.floor(totalmem() / mebibyte),
    scratchMib: Math.floor((bavail * bsize) / mebibyte),
    gpus: gpus.flat().slice(0, 64),
    software: {},
    tags: [],
    amounts: {},
    attributes: {},
    agentVersion,
  };
}
