import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { JobId } from '@karst/shared/protocol/ids.ts';
import type { PolicyInput } from '@karst/shared/protocol/job.ts';
import { routes } from '@karst/shared/protocol/routes.ts';
import { beforeEach, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { farmForFile } from './support/farm-for-file.ts';
import { counts, published, tasksOf } from './support/job-state.ts';
import { agentName, Marks, noteStart, waitFor } from './support/marks.ts';
import { type ShellStep, shellJob } from './support/shell-job.ts';

// Passes so slow that only nudges explain what happens within seconds.
const farm = farmForFile({
  replicas: 2,
  livenessMs: 3000,
  env: {
    KARST_RECONCILE_MS: '30000',
    KARST_SPAN_TARGET_MS: '500',
    KARST_PREEMPT_AFTER_MS: '500',
  },
});

// Nodes that were killed count as there until their liveness is over: a gang would wait for them.
beforeEach(() =>
  eventually('the nodes of the last test to be gone', async () => {
    const { items } = await farm().api().call(routes.listNodes, {});
    return items.every(({ state }) => state === 'offline') ? true : undefined;
  }),
);

const gangOf = (gang: object = {}): PolicyInput => ({ steps: { Train: { gang } } });
const train = (script: string, ranks: number): ShellStep => ({
  name: 'Train',
  script,
  range: `0-${ranks - 1}`,
});
const submit = (marks: Marks, step: ShellStep, policy: PolicyInput, name = 'job') =>
  farm().submit(shellJob(marks, [step], name), { policy });

/** Each rank tells the first its number, and hears from it what all of them add up to. */
const addUp = `
const fs = require('node:fs');
const net = require('node:net');
const { RANK, WORLD_SIZE, MASTER_ADDR, MASTER_PORT } = process.env;
if (RANK === '0') {
  const others = [];
  let sum = 0;
  net.createServer((socket) => socket.once('data', (text) => {
    sum += Number(text);
    if (others.push(socket) < WORLD_SIZE - 1) return;
    for (const other of others) other.end(String(sum));
    console.log(sum);
    process.exit(0);
  })).listen(MASTER_PORT, () => fs.writeFileSync(process.argv[2] + '/listening', ''));
} else {
  const socket = net.connect(MASTER_PORT, MASTER_ADDR, () => socket.write(RANK));
  socket.once('data', (text) => console.log(String(text)));
}`;

const explain = async (jobId: JobId) =>
  (await farm().api().call(routes.explainJob, { params: { jobId } })).steps[0];

it('starts the tasks of a gang at once, each told where the first is', async () => {
  const marks = await Marks.make(farm());
  for (const replica of [0, 1, 0]) await farm().startAgent({ replica });
  await writeFile(join(marks.dir, 'add-up.cjs'), addUp);
  const first = `[ "$RANK" = 0 ] || { ${waitFor('listening')}}; `;
  const script = `${noteStart}${first}"${process.execPath}" "$1/add-up.cjs" "$1" >> "$1/sums"; echo "$KARST_GANG_RANK of $KARST_GANG_SIZE" >> "$1/ranks"`;
  const job = await submit(marks, train(script, 3), gangOf());
  await farm().jobIn(job.id, ['succeeded']);
  expect(await marks.lines('sums')).toEqual(['3', '3', '3']);
  expect((await marks.lines('ranks')).sort()).toEqual(['0 of 3', '1 of 3', '2 of 3']);
});

it('starts none of them before there is room for all, and leaves the nodes to others', async () => {
  const marks = await Marks.make(farm());
  for (const replica of [0, 1]) await farm().startAgent({ replica });
  const gang = await submit(marks, train(noteStart, 3), gangOf());
  const reason = await eventually('the look at the nodes', async () => {
    const step = await explain(gang.id);
    return step?.reasons.find((each) => each.kind === 'gang' && each.possible !== undefined);
  });
  expect(reason).toMatchObject({ tasks: 3, reserved: 0, possible: 2 });
  expect(reason?.text).toContain('Its 3 tasks run all at once: there is room for 2');
  const other = await submit(await Marks.make(farm()), { script: 'true' }, {}, 'other');
  await farm().jobIn(other.id, ['succeeded']);
  expect(await marks.starts(0)).toEqual([]);
  await farm().startAgent({ replica: 1 });
  await farm().jobIn(gang.id, ['succeeded']);
});

it('begins anew with all of them when one is lost, at no cost to the others', async () => {
  const marks = await Marks.make(farm());
  const agents = [await farm().startAgent({ replica: 0 }), await farm().startAgent({ replica: 1 })];
  const script = `${noteStart}echo "$KARST_GANG_EPOCH" >> "$1/epochs-$2"; ${waitFor('end')}`;
  const job = await submit(marks, train(script, 2), { maxRetriesPerTask: 0, ...gangOf() });
  await Promise.all([marks.started(0), marks.started(1)]);
  await agents[1]?.child.kill();
  await eventually('all to wait again', async () => {
    const { taskCounts } = await farm().readJob(job.id);
    return taskCounts.running === 0 ? true : undefined;
  });
  await farm().startAgent({ replica: 1 });
  await Promise.all([marks.started(0, 2), marks.started(1, 2)]);
  await marks.open('end');
  await farm().jobIn(job.id, ['succeeded']);
  const [first, second] = await marks.lines('epochs-0');
  expect(Number(second)).toBeGreaterThan(Number(first));
  expect(await marks.lines('epochs-1')).toEqual([first, second]);
  for (const task of await tasksOf(farm(), job.id, 'Train')) {
    expect(task).toMatchObject({ state: 'succeeded', failures: 0 });
  }
});

it('charges nobody for a process that a lost node took along', async () => {
  const marks = await Marks.make(farm());
  const agents = [await farm().startAgent({ replica: 0 }), await farm().startAgent({ replica: 1 })];
  const byName = new Map(agents.map((agent) => [agentName(agent), agent]));
  const isFirst = `[ "$(wc -l < "$1/started-$2")" = 1 ]`;
  const script = `${noteStart}if ${isFirst}; then ${waitFor('broken')}exit 1; fi; ${waitFor('end')}`;
  const job = await submit(marks, train(script, 2), { maxRetriesPerTask: 0, ...gangOf() });
  const [first] = await Promise.all([marks.started(0), marks.started(1)]);
  // The other one fails long before the node is known to be lost.
  await byName.get(first.agent)?.child.kill();
  await marks.open('broken');
  await farm().startAgent({ replica: 0 });
  await Promise.all([marks.started(0, 2), marks.started(1, 2)]);
  await marks.open('end');
  await farm().jobIn(job.id, ['succeeded']);
});

it('counts no success before all have succeeded: all begin anew, and find each other again', async () => {
  const marks = await Marks.make(farm());
  for (const replica of [0, 1]) await farm().startAgent({ replica });
  const isFirst = `[ "$(wc -l < "$1/started-1")" = 1 ]`;
  const failing = `if [ "$2" = 1 ] && ${isFirst}; then ${waitFor('fail')}exit 1; fi`;
  const step = {
    ...train(
      `${noteStart}echo "$RANK of $WORLD_SIZE" >> "$1/ranks"; ${failing}; [ "$2" = 1 ] || echo model > "$3/model"`,
      2,
    ),
    writes: true,
  };
  const job = await submit(marks, step, { maxRetriesPerTask: 1, ...gangOf() });
  await Promise.all([marks.started(0), marks.started(1)]);
  await eventually('the first to have ended', async () => {
    const nodes = await farm().api().call(routes.listNodes, {});
    return nodes.items.some(({ state, leaseCount }) => state === 'online' && leaseCount === 0)
      ? true
      : undefined;
  });
  expect(await farm().readJob(job.id)).toMatchObject({
    taskCounts: counts({ running: 2 }),
    outputs: { accepted: 0 },
  });
  await marks.open('fail');
  await farm().jobIn(job.id, ['succeeded']);
  expect((await marks.lines('ranks')).sort()).toEqual(['0 of 2', '0 of 2', '1 of 2', '1 of 2']);
  const done = await published(farm(), job.id);
  expect(done).toMatchObject({ outputs: { accepted: 1, published: 1 } });
  const again = await farm().fetch('POST', `/v1/jobs/${job.id}/steps/Train/tasks/0/requeue`);
  expect(again.status).toBe(409);
});

it('fails the whole gang when one of its tasks fails for good', async () => {
  const marks = await Marks.make(farm());
  for (const replica of [0, 1]) await farm().startAgent({ replica });
  // The one that fails waits for the other to have noted its start.
  const both = `[ "$(wc -l < "$1/started-0")" = "$(wc -l < "$1/started-1")" ]`;
  const script = `${noteStart}[ "$2" = 0 ] && exec sleep 600; until ${both}; do sleep 0.05; done; exit 3`;
  const job = await submit(marks, train(script, 2), { maxRetriesPerTask: 1, ...gangOf() });
  const failed = await farm().jobIn(job.id, ['failed']);
  expect(failed.taskCounts).toEqual(counts({ failed: 1, canceled: 1 }));
  expect(await marks.starts(0)).toHaveLength(2);
  expect(await marks.starts(1)).toHaveLength(2);
});

it('keeps room while the rest is freed, and lets tasks that are over in time use it', async () => {
  const marks = await Marks.make(farm());
  await farm().startAgent({ replica: 0 });
  const blocker = await submit(marks, { script: waitFor('free') }, {}, 'blocker');
  await farm().jobIn(blocker.id, ['running']);
  const quick = await submit(
    marks,
    { script: 'sleep 0.2; echo "$2" >> "$1/quick"', range: '0-19' },
    { priority: 10 },
    'quick',
  );
  const idle = await farm().startAgent({ replica: 1 });
  await marks.written('quick', 2);
  const gang = await submit(marks, train(`echo "$2" >> "$1/gang"`, 2), {
    priority: 90,
    ...gangOf(),
  });
  await eventually('room to be kept', async () => {
    const step = await explain(gang.id);
    return step?.reasons.find((each) => each.kind === 'gang' && each.reserved === 2);
  });
  const unknown = await submit(
    marks,
    { script: 'echo ran >> "$1/unknown"' },
    { priority: 50 },
    'new',
  );
  await farm().jobIn(quick.id, ['succeeded']);
  const { holds } = await farm()
    .api()
    .call(routes.explainNode, { params: { nodeId: idle.nodeId } });
  expect(holds).toEqual([expect.stringContaining('Its room is kept for tasks that are to begin')]);
  const forecast = (await explain(gang.id))?.forecast;
  expect(forecast?.start).not.toBeNull();
  expect(await marks.lines('gang')).toEqual([]);
  expect(await marks.lines('unknown')).toEqual([]);
  await marks.open('free');
  await farm().jobIn(gang.id, ['succeeded']);
  await farm().jobIn(unknown.id, ['succeeded']);
});

it('runs two gangs that want the same nodes one after the other', async () => {
  const marks = await Marks.make(farm());
  for (const replica of [0, 1]) await farm().startAgent({ replica });
  const jobs = [];
  for (const name of ['one', 'two']) {
    // Neither ends before the other has begun.
    const both = `[ "$(grep -c + "$1/${name}")" = 2 ]`;
    const script = `echo "+" >> "$1/${name}"; until ${both}; do sleep 0.05; done; echo ${name} >> "$1/all"`;
    jobs.push(await submit(marks, train(script, 2), gangOf(), name));
  }
  for (const job of jobs) await farm().jobIn(job.id, ['succeeded']);
  const all = await marks.lines('all');
  expect(all[0]).toBe(all[1]);
  expect(all[2]).toBe(all[3]);
});

it('ends all of a gang for urgent work, and runs it again when that is done', async () => {
  const marks = await Marks.make(farm());
  for (const replica of [0, 1]) await farm().startAgent({ replica });
  const policy: PolicyInput = { priorityClass: 'background', maxRetriesPerTask: 0, ...gangOf() };
  const gang = await submit(marks, train(`${noteStart}${waitFor('end')}`, 2), policy, 'gang');
  await Promise.all([marks.started(0), marks.started(1)]);
  const hurry = await submit(
    marks,
    { script: `echo ran >> "$1/urgent"; ${waitFor('calm')}` },
    { priorityClass: 'urgent' },
    'hurry',
  );
  await marks.written('urgent');
  await eventually('all of the gang to wait', async () => {
    const { taskCounts } = await farm().readJob(gang.id);
    return taskCounts.waiting === 2 ? true : undefined;
  });
  await marks.open('calm');
  await marks.open('end');
  await farm().jobIn(hurry.id, ['succeeded']);
  await farm().jobIn(gang.id, ['succeeded']);
  for (const task of await tasksOf(farm(), gang.id, 'Train')) {
    expect(task).toMatchObject({ state: 'succeeded', failures: 0 });
  }
});

it('refuses what no gang can be, with the field', async () => {
  const marks = await Marks.make(farm());
  const steps = { Train: { gang: {}, order: 'bisect', scout: 1 } };
  const template = shellJob(marks, [train('true', 1001)]);
  const answer = await farm().fetch('POST', '/v1/jobs', { template, policy: { steps } });
  expect(answer.status).toBe(400);
  const problem: unknown = await answer.json();
  const path = ['policy', 'steps', 'Train'];
  expect(problem).toMatchObject({
    errors: [
      { path: [...path, 'gang'] },
      { path: [...path, 'order'] },
      { path: [...path, 'scout'] },
    ],
  });
});
