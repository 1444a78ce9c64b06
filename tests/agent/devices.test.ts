import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { environment, note } from './support/environments.ts';
import { nvidiaSmi, nvidiaUuids, pathWith, rocmSmi } from './support/fake-tools.ts';
import { startAgent, startOrchestrator } from './support/farm.ts';
import { shell } from './support/steps.ts';
import type { TestLease } from './support/test-lease.ts';
import type { TestOrchestrator } from './support/test-orchestrator.ts';

const names = ['CUDA', 'NVIDIA', 'ROCR', 'HIP', 'ASCEND_RT'].map((it) => `${it}_VISIBLE_DEVICES`);
const printAll = [...names, 'KARST_VCPUS', 'KARST_MEMORY_MIB', 'KARST_GPUS']
  .map((name) => `echo "${name}=\${${name}-unset}"`)
  .join('; ');
const reserved = (...gpus: number[]) => ({ vcpus: 2, memoryMib: 512, scratchGib: 0, gpus });

/** What the first task of a lease printed, by name. */
async function printed(orchestrator: TestOrchestrator, lease: TestLease) {
  expect(await orchestrator.finished(lease)).toMatchObject([{ outcome: 'succeeded' }]);
  const log = orchestrator.object(lease, 0, 'log', 'task.log')?.toString() ?? '';
  return Object.fromEntries(log.split('\n').map((line) => line.split('=')));
}

it('a lease sees the GPU that was reserved for it, by UUID, and no other', async () => {
  const orchestrator = await startOrchestrator();
  await startAgent(orchestrator.url, { PATH: await pathWith({ 'nvidia-smi': nvidiaSmi }) });
  expect(orchestrator.syncs[0]?.inventory?.gpus).toMatchObject([
    { index: 0, uuid: nvidiaUuids[0], memoryMib: 143_771 },
    { index: 1, uuid: nvidiaUuids[1] },
  ]);
  const lease = orchestrator.lease({ step: shell(printAll), resources: reserved(1) });
  expect(await printed(orchestrator, lease)).toMatchObject({
    CUDA_VISIBLE_DEVICES: nvidiaUuids[1],
    NVIDIA_VISIBLE_DEVICES: nvidiaUuids[1],
    ROCR_VISIBLE_DEVICES: '-1',
    HIP_VISIBLE_DEVICES: '-1',
    ASCEND_RT_VISIBLE_DEVICES: '-1',
    KARST_VCPUS: '2',
    KARST_MEMORY_MIB: '512',
    KARST_GPUS: '1',
  });
});

it('a lease with nothing but processors reserved sees no GPU, whatever its environment says', async () => {
  const orchestrator = await startOrchestrator();
  await startAgent(orchestrator.url, { PATH: await pathWith({ 'nvidia-smi': nvidiaSmi }) });
  const lease = orchestrator.lease({
    step: shell(printAll),
    resources: reserved(),
    environments: [
      environment('Wants all', {
        variables: { CUDA_VISIBLE_DEVICES: '0,1' },
        onEnter: 'echo "entered=[$CUDA_VISIBLE_DEVICES]"',
      }),
    ],
  });
  expect(await printed(orchestrator, lease)).toMatchObject({
    entered: '[]',
    CUDA_VISIBLE_DEVICES: '',
    NVIDIA_VISIBLE_DEVICES: 'void',
    KARST_GPUS: '0',
  });
});

it('a lease for which nothing was reserved sees what the agent was given', async () => {
  const orchestrator = await startOrchestrator();
  await startAgent(orchestrator.url, {
    PATH: await pathWith({ 'nvidia-smi': nvidiaSmi }),
    CUDA_VISIBLE_DEVICES: '1',
  });
  // The other card is somebody else's: it is not the farm's to hand out.
  expect(orchestrator.syncs[0]?.inventory?.gpus).toMatchObject([{ uuid: nvidiaUuids[1] }]);
  const lease = orchestrator.lease({ step: shell(printAll) });
  expect(await printed(orchestrator, lease)).toMatchObject({
    CUDA_VISIBLE_DEVICES: '1',
    ROCR_VISIBLE_DEVICES: 'unset',
    KARST_GPUS: 'unset',
  });
  const reserving = orchestrator.lease({ step: shell(printAll), resources: reserved(0) });
  expect(await printed(orchestrator, reserving)).toMatchObject({
    CUDA_VISIBLE_DEVICES: nvidiaUuids[1],
  });
});

it('HIP counts among the cards that ROCr leaves', async () => {
  const orchestrator = await startOrchestrator();
  await startAgent(orchestrator.url, { PATH: await pathWith({ 'rocm-smi': rocmSmi }) });
  const lease = orchestrator.lease({ step: shell(printAll), resources: reserved(1) });
  expect(await printed(orchestrator, lease)).toMatchObject({
    ROCR_VISIBLE_DEVICES: '1',
    HIP_VISIBLE_DEVICES: '0',
    CUDA_VISIBLE_DEVICES: '',
  });
});

it('leases at once have a card each, and a session stays with its own', async () => {
  const orchestrator = await startOrchestrator();
  const agent = await startAgent(orchestrator.url, {
    PATH: await pathWith({ 'nvidia-smi': nvidiaSmi }),
    KARST_SLOTS: '2',
  });
  const together = shell(
    'touch "../../up-$CUDA_VISIBLE_DEVICES"; echo "mine=$CUDA_VISIBLE_DEVICES"; ' +
      `for uuid in ${nvidiaUuids.join(' ')}; do until [ -e "../../up-$uuid" ]; do sleep 0.02; done; done`,
  );
  const environments = [environment('Counted', { onEnter: note('entered') })];
  const first = orchestrator.lease({ step: together, environments, resources: reserved(0) });
  const second = orchestrator.lease({ like: first, resources: reserved(1) });
  expect((await printed(orchestrator, first)).mine).toBe(nvidiaUuids[0]);
  expect((await printed(orchestrator, second)).mine).toBe(nvidiaUuids[1]);
  // Both sessions are kept; the next lease takes the one on its card.
  const third = orchestrator.lease({ like: first, resources: reserved(1) });
  expect((await printed(orchestrator, third)).mine).toBe(nvidiaUuids[1]);
  expect(await readFile(`${agent.dir}/marks`, 'utf8')).toBe('entered\nentered\n');
});

it('a grant of a GPU that the node does not have fails as the node’s fault', async () => {
  const orchestrator = await startOrchestrator();
  await startAgent(orchestrator.url, { PATH: await pathWith({ 'nvidia-smi': nvidiaSmi }) });
  const lease = orchestrator.lease({ step: shell('true'), resources: reserved(2) });
  expect(await orchestrator.finished(lease)).toMatchObject([
    { outcome: 'failed', kind: 'node', message: expect.stringContaining('granted GPU 2') },
  ]);
});
