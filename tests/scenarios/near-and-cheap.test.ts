import type { JobId, NodeId } from '@karst/shared/protocol/ids.ts';
import type { JobChange } from '@karst/shared/protocol/job-change.ts';
import type { PricesChange } from '@karst/shared/protocol/prices.ts';
import { routes } from '@karst/shared/protocol/routes.ts';
import { expect, it } from 'vitest';
import { nvidiaSmi, pathWith } from '../agent/support/fake-tools.ts';
import { farmForFile } from './support/farm-for-file.ts';
import { agentName, Marks, noteStart } from './support/marks.ts';
import { shellJob } from './support/shell-job.ts';

// Passes and polls so slow that only a wake-up between the replicas explains what happens at once.
const farm = farmForFile({
  replicas: 2,
  livenessMs: 60_000,
  env: { KARST_RECONCILE_MS: '60000' },
});

/** The tests that nodes fail for a job of one step, as each replica tells them. */
const failedTests = async (jobId: JobId) => {
  const params = { jobId };
  const asked = [0, 1].map((replica) => farm().api(replica).call(routes.explainJob, { params }));
  return (await Promise.all(asked)).map(({ steps }) => steps[0]?.tests);
};
const setPrices = (nodeId: NodeId, prices: PricesChange) =>
  farm().api(0).call(routes.setNode, { params: { nodeId }, body: { prices } });
const change = (jobId: JobId, body: JobChange) =>
  farm().api(0).call(routes.setJob, { params: { jobId }, body });

it('runs a job with a circle of latency on near nodes alone', async () => {
  const marks = await Marks.make(farm());
  const far = { KARST_SITE: 'circle', KARST_LATENCY_MS: 'shanghai=35,guiyang=2' };
  await farm().startAgent({ env: far });
  await farm().startAgent({ replica: 1, env: { KARST_SITE: 'circle' } });
  const placement = { sites: ['circle'], maxLatencyMs: { shanghai: 20, guiyang: 2 } };
  const steps = [{ range: '0-3', script: `${noteStart}sleep 0.1` }];
  const job = await farm().submit(shellJob(marks, steps), { policy: { placement } });
  // A job for anyone runs through meanwhile: nodes are there and idle.
  const other = await farm().submit(shellJob(await Marks.make(farm()), [{ script: 'true' }]));
  await farm().jobIn(other.id, ['succeeded']);
  expect((await farm().readJob(job.id)).state).toBe('pending');
  for (const tests of await failedTests(job.id)) {
    expect(tests).toEqual([
      { test: 'latency.shanghai', nodes: 2, wanted: 'at most 20 ms', has: '35 ms' },
      { test: 'latency.guiyang', nodes: 1, wanted: 'at most 2 ms', has: 'none' },
    ]);
  }
  const near = await farm().startAgent({
    env: { KARST_SITE: 'circle', KARST_LATENCY_MS: 'shanghai=18.5,guiyang=1' },
  });
  await farm().jobIn(job.id, ['succeeded']);
  const starts = await Promise.all([0, 1, 2, 3].map((task) => marks.started(task)));
  expect(new Set(starts.map(({ agent }) => agent))).toEqual(new Set([agentName(near)]));
});

it('runs a job with a cap of prices as soon as a node costs no more', async () => {
  const marks = await Marks.make(farm());
  const { nodeId } = await farm().startAgent({
    replica: 1,
    env: { KARST_SITE: 'cloud', PATH: await pathWith({ 'nvidia-smi': nvidiaSmi }) },
  });
  const here = { sites: ['cloud'] };
  const set = await setPrices(nodeId, { gpuHour: 2.5, coreHour: 0.04 });
  expect(set.prices).toEqual({ gpuHour: 2.5, coreHour: 0.04 });
  const submit = async (name: string, gpus: number, maxPrices: object) => {
    const hostRequirements = { amounts: [{ name: 'amount.worker.gpu', min: gpus }] };
    const step = { script: `echo ${name} >> "$1/ran"`, hostRequirements };
    const policy = { placement: { ...here, maxPrices } };
    return (await farm().submit(shellJob(marks, [step], name), { policy })).id;
  };
  const onGpu = await submit('gpu', 1, { gpuHour: 2 });
  const onCores = await submit('cores', 0, { coreHour: 0.03 });
  // A price of what it does not use is nothing to it; and it comes last, so the others could have run.
  const free = await submit('free', 0, { gpuHour: 2 });
  await farm().jobIn(free, ['succeeded']);
  expect(await marks.lines('ran')).toEqual(['free']);
  const ofGpu = { test: 'price.gpuHour', nodes: 1, wanted: 'at most 2', has: '2.5' };
  for (const tests of await failedTests(onGpu)) expect(tests).toContainEqual(ofGpu);
  const ofCores = { test: 'price.coreHour', nodes: 1, wanted: 'at most 0.03', has: '0.04' };
  for (const tests of await failedTests(onCores)) expect(tests).toContainEqual(ofCores);

  // Told to the replica that the node does not speak to.
  await setPrices(nodeId, { gpuHour: 1.8 });
  await farm().jobIn(onGpu, ['succeeded'], 10_000);
  expect((await farm().readJob(onCores)).state).toBe('pending');
  await setPrices(nodeId, { coreHour: null });
  await farm().jobIn(onCores, ['succeeded'], 10_000);
  expect(await marks.lines('ran')).toEqual(['free', 'gpu', 'cores']);

  // Raised again, it holds for what was within the cap a moment ago.
  await setPrices(nodeId, { gpuHour: 2.25 });
  const dear = await submit('dear', 1, { gpuHour: 2 });
  await farm().jobIn(await submit('meanwhile', 1, { gpuHour: 2.25 }), ['succeeded']);
  expect((await farm().readJob(dear)).state).toBe('pending');
  await change(dear, { placement: { maxPrices: { gpuHour: null } } });
  await farm().jobIn(dear, ['succeeded'], 10_000);
});
