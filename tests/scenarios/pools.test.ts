import type { NodeId } from '@karst/shared/protocol/ids.ts';
import { studioIdSchema } from '@karst/shared/protocol/ids.ts';
import type { Job, PriorityClass } from '@karst/shared/protocol/job.ts';
import { problemSchema } from '@karst/shared/protocol/problem.ts';
import { routes } from '@karst/shared/protocol/routes.ts';
import { beforeAll, expect, it } from 'vitest';
import { farmForFile } from './support/farm-for-file.ts';
import { Marks, waitFor } from './support/marks.ts';
import { shellJob } from './support/shell-job.ts';

// Passes so slow that only a wake-up explains what happens at once.
const farm = farmForFile({ livenessMs: 60_000, env: { KARST_RECONCILE_MS: '60000' } });
const rivals = studioIdSchema.parse('rivals');
let rivalKey: string;

beforeAll(async () => {
  const body = { studio: rivals, role: 'submit' } as const;
  rivalKey = (await farm().api().call(routes.createKey, { body })).key;
});

const setPool = (name: string, body: { studios?: string[]; exclusive?: boolean }) =>
  farm().api().call(routes.setPool, { params: { name }, body });
const join = (nodeId: NodeId, pool: string) =>
  farm().api().call(routes.setNode, { params: { nodeId }, body: { pool } });
/** A job of one task that notes its name. */
const noting = (marks: Marks, name: string) =>
  shellJob(marks, [{ script: `echo ${name} >> "$1/ran"` }], name);

it('gives nodes of an exclusive pool to jobs that name it, from the moment it is so', async () => {
  const marks = await Marks.make(farm());
  const { nodeId } = await farm().startAgent();
  await join(nodeId, 'gpu');
  await setPool('gpu', { exclusive: true });
  const elsewhere = await farm().submit(noting(marks, 'elsewhere'), { policy: { priority: 100 } });
  const inPool = await farm().submit(noting(marks, 'in-pool'), {
    policy: { placement: { pool: 'gpu' }, priority: 0 },
  });
  await farm().jobIn(inPool.id, ['succeeded']);
  // The job that waits is older and of higher priority: it would have gone first.
  expect(await marks.lines('ran')).toEqual(['in-pool']);
  expect((await farm().readJob(elsewhere.id)).state).toBe('pending');
  await setPool('gpu', { exclusive: false });
  await farm().jobIn(elsewhere.id, ['succeeded'], 10_000);
});

it('sends a waiting job to another pool when a person says so', async () => {
  const marks = await Marks.make(farm());
  const { nodeId } = await farm().startAgent();
  await join(nodeId, 'night');
  await setPool('day', {});
  const job = await farm().submit(noting(marks, 'moved'), {
    policy: { placement: { pool: 'day' } },
  });
  const other = await farm().submit(noting(marks, 'other'));
  await farm().jobIn(other.id, ['succeeded']);
  expect(await marks.lines('ran')).toEqual(['other']);
  const params = { jobId: job.id };
  await farm()
    .api()
    .call(routes.setJob, { params, body: { placement: { pool: 'night' } } });
  await farm().jobIn(job.id, ['succeeded'], 10_000);
});

it('keeps a pool to the studios it is for, and refuses jobs that could never run there', async () => {
  const marks = await Marks.make(farm());
  const { nodeId } = await farm().startAgent();
  await join(nodeId, 'theirs');
  await setPool('theirs', { studios: [rivals] });
  const ours = await farm().submit(noting(marks, 'ours'));
  const rival = farm().api(0, rivalKey);
  await rival.call(routes.submitJob, {
    body: { template: noting(marks, 'theirs'), policy: { placement: { pool: 'theirs' } } },
  });
  expect(await marks.written('ran')).toEqual(['theirs']);
  expect((await farm().readJob(ours.id)).state).toBe('pending');
  const refused = await farm().fetch('POST', '/v1/jobs', {
    template: noting(marks, 'refused'),
    policy: { placement: { pool: 'theirs' } },
  });
  expect(problemSchema.parse(await refused.json())).toMatchObject({
    status: 422,
    code: 'invalid_policy',
    errors: [
      {
        path: ['policy', 'placement', 'pool'],
        message: 'the pool "theirs" takes no jobs of studio default',
      },
    ],
  });
  await farm()
    .api()
    .call(routes.deletePool, { params: { name: 'theirs' } });
  await farm().jobIn(ours.id, ['succeeded'], 10_000);
});

it('runs urgent before normal before background, as they stand when a slot is free', async () => {
  const marks = await Marks.make(farm());
  await farm().startAgent();
  const first = await farm().submit(
    shellJob(marks, [{ script: `echo first >> "$1/ran"; ${waitFor('go')}` }]),
  );
  await marks.written('ran');
  const submit = (name: string, priorityClass: PriorityClass, priority: number): Promise<Job> =>
    farm().submit(noting(marks, name), { policy: { priorityClass, priority } });
  const jobs = [
    await submit('raised', 'background', 10),
    await submit('background', 'background', 100),
    await submit('normal', 'normal', 50),
    await submit('urgent', 'urgent', 0),
  ];
  const params = { jobId: jobs[0]?.id ?? first.id };
  const body = { priorityClass: 'urgent', priority: 1 } as const;
  await farm().api().call(routes.setJob, { params, body });
  await marks.open('go');
  for (const { id } of jobs) await farm().jobIn(id, ['succeeded']);
  expect(await marks.lines('ran')).toEqual(['first', 'raised', 'urgent', 'normal', 'background']);
});
