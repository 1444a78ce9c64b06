import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { farmEventSchema } from '@karst/shared/protocol/event.ts';
import { jobIdSchema } from '@karst/shared/protocol/ids.ts';
import { routes } from '@karst/shared/protocol/routes.ts';
import { Redis } from 'ioredis';
import { expect, it } from 'vitest';
import { runCli, startCli } from '../cli/support/run-cli.ts';
import { openEvents } from '../http/event-reader.ts';
import { eventually } from '../support/eventually.ts';
import { farmForFile } from './support/farm-for-file.ts';
import { counts } from './support/job-state.ts';
import { Marks, noteStart } from './support/marks.ts';
import { shellJob } from './support/shell-job.ts';

const farm = farmForFile({ replicas: 2, livenessMs: 5000 });

const adminKey = async () => (await readFile(path.join(farm().dir, 'admin.key'), 'utf8')).trim();

const hold = { policy: { steps: { Render: { hold: true } } } };

/** Three frames first, then the others; each notes its start. */
const previewed = (marks: Marks, writes = false) =>
  shellJob(marks, [
    { name: 'Preview', range: '0-2', script: `${noteStart}echo p >> "$1/preview"`, writes: false },
    {
      name: 'Render',
      range: '0-4',
      dependsOn: ['Preview'],
      script: `echo r >> "$1/render"${writes ? '; echo "$2" > "$3/$2.txt"' : ''}`,
      writes,
    },
  ]);

const stepsOf = async (jobId: string, replica = 0) =>
  (await farm().api(replica).call(routes.listSteps, { params: { jobId } })).items;

const waiting = (jobId: string) =>
  eventually('a step waits for approval', async () => {
    const job = await farm().readJob(jobIdSchema.parse(jobId));
    return job.heldSteps === undefined ? undefined : job;
  });

const release = (jobId: string, replica = 0) =>
  farm()
    .api(replica)
    .call(routes.releaseStep, { params: { jobId, step: 'Render' } });

/** A job that passes through the same node shows that what it could have run was passed over. */
async function anotherRuns(marks: Marks) {
  const other = await farm().submit(shellJob(marks, [{ script: 'true' }]));
  await farm().jobIn(other.id, ['succeeded']);
}

it('runs the preview, holds the rest on every replica and through restarts, until released', async () => {
  const marks = await Marks.make(farm());
  await farm().startAgent({ slots: 2 });
  await farm().startAgent({ slots: 2, replica: 1 });
  await using events = await openEvents(farm().urls[0] ?? '', await adminKey(), {});
  const job = await farm().submit(previewed(marks), hold);
  expect(job).toMatchObject(hold);
  const told = async () => {
    const event = farmEventSchema.parse((await events.next()).data);
    return event.type === 'job' && event.jobId === job.id ? event.heldSteps : undefined;
  };
  // Watchers need not ask: it is told as an event.
  for (let heldSteps = await told(); heldSteps?.[0] !== 'Render'; ) heldSteps = await told();
  expect((await stepsOf(job.id))[1]).toMatchObject({ name: 'Render', held: true });
  expect(await waiting(job.id)).toMatchObject({
    state: 'running',
    message: 'Render is held for approval',
    heldSteps: ['Render'],
    taskCounts: counts({ succeeded: 3, waiting: 5 }),
  });
  expect(await stepsOf(job.id, 1)).toMatchObject([
    { state: 'succeeded' },
    { state: 'ready', held: true },
  ]);

  // What makes a step that may run start: other work, pausing, a new priority, new replicas.
  await anotherRuns(marks);
  const params = { jobId: job.id };
  await farm().api().call(routes.pauseJob, { params });
  await farm().api(1).call(routes.resumeJob, { params });
  await farm()
    .api()
    .call(routes.setJob, { params, body: { priority: 99 } });
  for (const index of [0, 1]) {
    await farm().replicas[index]?.kill();
    await farm().startReplica(index);
  }
  await anotherRuns(marks);
  expect(await marks.lines('render')).toEqual([]);
  expect(await farm().readJob(job.id)).toMatchObject({ heldSteps: ['Render'] });

  expect(await release(job.id, 1)).not.toHaveProperty('held');
  const ended = await farm().jobIn(job.id, ['succeeded']);
  expect(ended.taskCounts).toEqual(counts({ succeeded: 8 }));
  expect(ended).not.toHaveProperty('message');
  expect(ended).not.toHaveProperty('heldSteps');
  expect((await marks.lines('render')).length).toBe(5);
  // A lost answer's second try.
  expect(await release(job.id)).toMatchObject({ state: 'succeeded' });
});

it('takes a release in advance, and none of a step that ended', async () => {
  const marks = await Marks.make(farm());
  const early = await farm().submit(previewed(marks), hold);
  expect(await release(early.id)).toMatchObject({ state: 'blocked' });
  const canceled = await farm().submit(previewed(marks), hold);
  await farm()
    .api()
    .call(routes.cancelJob, { params: { jobId: canceled.id } });
  await expect(release(canceled.id)).rejects.toMatchObject({ problem: { code: 'conflict' } });
  const params = { jobId: early.id, step: 'Rendr' };
  await expect(farm().api().call(routes.releaseStep, { params })).rejects.toMatchObject({
    problem: { code: 'not_found' },
  });
  await farm().startAgent({ slots: 2 });
  expect((await farm().jobIn(early.id, ['succeeded'])).taskCounts.succeeded).toBe(8);
});

it('holds a first step as well, and again when what it waits for is run again', async () => {
  const marks = await Marks.make(farm());
  await farm().startAgent();
  const steps = { Preview: { hold: true }, Render: { hold: true } };
  const job = await farm().submit(previewed(marks), { policy: { steps } });
  expect(job).toMatchObject({ state: 'pending', heldSteps: ['Preview'] });
  await anotherRuns(marks);
  expect(await marks.lines('preview')).toEqual([]);
  const api = farm().api();
  await api.call(routes.releaseStep, { params: { jobId: job.id, step: 'Preview' } });
  await eventually('the second waits', async () =>
    (await farm().readJob(job.id)).heldSteps?.includes('Render'),
  );
  await api.call(routes.requeueTask, { params: { jobId: job.id, step: 'Preview', task: 1 } });
  await marks.written('preview', 4);
  expect((await waiting(job.id)).heldSteps).toEqual(['Render']);
  await release(job.id);
  await farm().jobIn(job.id, ['succeeded']);
});

it('refuses a policy of steps that the template does not have, or of other fields', async () => {
  const marks = await Marks.make(farm());
  const submit = async (steps: object) => {
    const answer = await farm().fetch('POST', '/v1/jobs', {
      template: previewed(marks),
      policy: { steps },
    });
    const body: unknown = await answer.json();
    return body;
  };
  expect(await submit({ Rendr: { hold: true } })).toMatchObject({
    code: 'invalid_request',
    errors: [
      {
        path: ['policy', 'steps', 'Rendr'],
        message: 'the job has no step "Rendr"; did you mean "Render"? (expected Preview, Render)',
      },
    ],
  });
  const odd = await submit({ Render: { holt: true } });
  expect(JSON.stringify(odd)).toContain('["body","policy","steps","Render"');
});

it('is told and released by the command line', async () => {
  const marks = await Marks.make(farm());
  await farm().startAgent({ slots: 2 });
  const cwd = await mkdtemp(path.join(farm().dir, 'cli-'));
  await writeFile(path.join(cwd, 'job.json'), previewed(marks));
  const env = {
    KARST_URL: farm().urls[0] ?? '',
    KARST_API_KEY_FILE: path.join(farm().dir, 'admin.key'),
  };
  const wrong = await runCli(['submit', 'job.json', '--hold', 'Rendr'], { cwd, env });
  expect(wrong.code).toBe(1);
  expect(wrong.stderr).toContain('--hold: the job has no step "Rendr"; did you mean "Render"?');

  const waiter = startCli(['submit', 'job.json', '--hold', 'Render', '--wait'], { cwd, env });
  await waiter.says('Render is held for approval: karst release job-');
  const jobId = jobIdSchema.parse(waiter.stdout.trim());
  expect(waiter.stderr).toContain(`To be held for approval: Render (karst release ${jobId}).`);
  const job = await runCli(['get', 'job', jobId], { cwd, env });
  expect(job.stdout).toContain(`Render is held for approval: karst release ${jobId}`);
  expect((await runCli(['get', 'steps', jobId], { cwd, env })).stdout).toContain('ready (held)');
  const released = await runCli(['release', jobId], { cwd, env });
  expect(released.stderr).toContain(`Step Render of job ${jobId} is`);
  expect((await waiter.result()).code).toBe(0);
  const none = await runCli(['release', jobId], { cwd, env });
  expect(none.stderr).toBe(`No step of job ${jobId} is held.\n`);
  expect(none.code).toBe(0);
});

it('holds again when Redis was emptied, but not what had been released', async () => {
  const marks = await Marks.make(farm());
  const agent = await farm().startAgent({ slots: 2 });
  const held = await farm().submit(previewed(marks), hold);
  await waiting(held.id);
  const script = 'if [ "$2" -ge 2 ]; then until [ -e "$1/gate" ]; do sleep 0.05; done; fi; ';
  const going = await farm().submit(
    shellJob(marks, [{ range: '0-3', script: `${script}echo "$2" > "$3/$2.txt"`, writes: true }]),
    hold,
  );
  await waiting(going.id);
  await release(going.id);
  await eventually('two are done', async () => {
    const { taskCounts, outputs } = await farm().readJob(going.id);
    return taskCounts.succeeded === 2 && outputs.published === 2;
  });

  for (const replica of farm().replicas) await replica.kill();
  await agent.child.kill();
  const redis = new Redis(farm().redis.url);
  await redis.flushall();
  redis.disconnect();
  for (const index of [0, 1]) await farm().startReplica(index);

  await marks.open('gate');
  await farm().startAgent({ dir: agent.dir, slots: 2 });
  await farm().jobIn(going.id, ['succeeded']);
  // The preview had no outputs that storage would know of: it runs again.
  expect(await waiting(held.id)).toMatchObject({
    heldSteps: ['Render'],
    taskCounts: counts({ succeeded: 3, waiting: 5 }),
  });
  expect(await marks.lines('render')).toEqual([]);
  await release(held.id);
  await farm().jobIn(held.id, ['succeeded']);
});
