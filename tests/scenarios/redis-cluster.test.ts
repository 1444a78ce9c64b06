import { studioIdSchema } from '@karst/shared/protocol/ids.ts';
import { routes } from '@karst/shared/protocol/routes.ts';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { Farm } from '../support/farm.ts';
import { startRedisCluster, type TestCluster } from '../support/redis-cluster.ts';
import { counts } from './support/job-state.ts';
import { Marks, noteStart, waitFor } from './support/marks.ts';
import { shellJob } from './support/shell-job.ts';

let cluster: TestCluster;
let farm: Farm;

beforeAll(async () => {
  cluster = await startRedisCluster();
  farm = await Farm.start({
    replicas: 2,
    livenessMs: 5000,
    env: { REDIS_URL: cluster.urls },
  });
});
afterEach(({ task }) => {
  if (task.result?.state === 'fail') process.stderr.write(`${farm.logs()}\n`);
});
afterAll(async () => {
  await farm.stop();
  await cluster.stop();
});

/** What Redis Cluster says to a call that touches two slots, or a node that does not hold them. */
const crossed = /CROSSSLOT|MOVED|non local key/;

it('runs jobs of many slots on a cluster of three nodes, with retries, dependencies and cancels', async () => {
  const marks = await Marks.make(farm);
  const budget = { budgetCoreHours: 1_000_000 };
  const studio = studioIdSchema.parse('default');
  await farm.api().call(routes.setStudioShare, { params: { studio }, body: budget });
  const agents = [
    await farm.startAgent({ slots: 2, replica: 0 }),
    await farm.startAgent({ slots: 2, replica: 1 }),
  ];
  expect(agents).toHaveLength(2);
  const jobs = await Promise.all(
    Array.from({ length: 24 }, () =>
      farm.submit(
        shellJob(marks, [
          { name: 'First', range: '0-4', script: noteStart },
          { name: 'Second', range: '0-1', dependsOn: ['First'], script: 'echo hello' },
        ]),
      ),
    ),
  );
  for (const { id } of jobs) {
    const job = await farm.jobIn(id, ['succeeded']);
    expect(job.taskCounts).toEqual(counts({ succeeded: 7 }));
  }
  const waiting = await farm.submit(shellJob(marks, [{ script: noteStart + waitFor('never') }]));
  await farm.jobIn(waiting.id, ['running']);
  await farm.api(1).call(routes.cancelJob, { params: { jobId: waiting.id } });
  await farm.jobIn(waiting.id, ['canceled']);
  const failing = await farm.submit(shellJob(marks, [{ script: 'exit 3' }]), {
    policy: { maxRetriesPerTask: 1 },
  });
  await farm.jobIn(failing.id, ['failed']);
  await farm.api().call(routes.retryJob, { params: { jobId: failing.id }, body: {} });
  await farm.jobIn(failing.id, ['failed']);
  const gang = { steps: { Train: { gang: {} } } };
  const train = (script: string) =>
    farm.submit(shellJob(marks, [{ name: 'Train', range: '0-2', script }]), {
      policy: { maxRetriesPerTask: 0, ...gang },
    });
  const trained = await Promise.all(['true', 'true', 'true'].map(train));
  for (const { id } of trained) {
    expect((await farm.jobIn(id, ['succeeded'])).taskCounts).toEqual(counts({ succeeded: 3 }));
  }
  const broken = await train('[ "$2" != 0 ]');
  const { taskCounts } = await farm.jobIn(broken.id, ['failed']);
  expect(taskCounts).toEqual(counts({ failed: 1, canceled: 2 }));
  // Each of 30 jobs lies on one of three nodes, by chance.
  for (const jobs of await cluster.jobsPerNode()) expect(jobs).toBeGreaterThan(0);
  expect(farm.logs()).not.toMatch(crossed);
});

it('goes on when an agent and a replica are killed', async () => {
  const marks = await Marks.make(farm);
  const victim = await farm.startAgent({ replica: 0 });
  const job = await farm.submit(
    shellJob(marks, [{ range: '0-7', script: `${noteStart}sleep 0.3` }]),
  );
  await farm.jobIn(job.id, ['running']);
  await victim.child.kill();
  await farm.replicas[0]?.kill();
  await farm.startReplica(0);
  const ended = await farm.jobIn(job.id, ['succeeded']);
  expect(ended.taskCounts).toEqual(counts({ succeeded: 8 }));
  expect(farm.logs()).not.toMatch(crossed);
});
