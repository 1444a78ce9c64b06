import path from 'node:path';
import { jobExplanationSchema, type WaitReason } from '@karst/shared/protocol/explain.ts';
import type { JobId, NodeId } from '@karst/shared/protocol/ids.ts';
import { studioIdSchema } from '@karst/shared/protocol/ids.ts';
import { type SubmissionInput, terminalJobStates } from '@karst/shared/protocol/job.ts';
import { routes } from '@karst/shared/protocol/routes.ts';
import { afterEach, beforeEach, expect, it, onTestFinished } from 'vitest';
import { runCli } from '../cli/support/run-cli.ts';
import { eventually } from '../support/eventually.ts';
import { farmForFile } from './support/farm-for-file.ts';
import { Marks, waitFor } from './support/marks.ts';
import { shellJob } from './support/shell-job.ts';

const farm = farmForFile({ replicas: 2, livenessMs: 2000 });

/** Killed agents of the test before are thought online until their deadline has passed. */
beforeEach(() =>
  eventually('former nodes are offline', async () => {
    const { items } = await farm().api().call(routes.listNodes, {});
    return items.every(({ state }) => state === 'offline');
  }),
);

afterEach(async () => {
  const { items } = await farm().api().call(routes.listJobs, {});
  for (const { id, state } of items) if (!terminalJobStates.has(state)) await cancel(id);
});

/** Asked of either replica in turn: each must know of every node. */
let asked = 0;
const explain = (jobId: JobId, key?: string) => {
  asked += 1;
  return farm()
    .api(asked % 2, key)
    .call(routes.explainJob, { params: { jobId } });
};
const explainNode = (nodeId: NodeId) => {
  asked += 1;
  return farm()
    .api(asked % 2)
    .call(routes.explainNode, { params: { nodeId } });
};

/** Waits until a step gives this reason first; answers the explanation. */
const explained = (jobId: JobId, kind: WaitReason['kind'], at = 0, key?: string) =>
  eventually(`${jobId} explained by ${kind}`, async () => {
    const told = await explain(jobId, key);
    return told.steps[at]?.reasons.some((reason) => reason.kind === kind) ? told : undefined;
  });

/** Whichever task begins, it says so and waits. */
const gateScript = `echo run >> "$1/begun"; ${waitFor('gate')}`;
const gated = (marks: Marks, range = '0', name = 'scenario') =>
  shellJob(marks, [{ script: gateScript, range }], name);

/** A job of one step that asks for so many GPUs. */
const gpuJob = (marks: Marks, gpus: number): string => {
  const template = JSON.parse(shellJob(marks, [{ script: 'true' }]));
  template.steps[0].hostRequirements = {
    amounts: [{ name: 'amount.worker.gpu', min: gpus }],
  };
  return JSON.stringify(template);
};

const cancel = (jobId: JobId) => farm().api().call(routes.cancelJob, { params: { jobId } });

it('tells what no node has, on every replica, and why the node idles', async () => {
  const marks = await Marks.make(farm());
  const none = await farm().submit(gpuJob(marks, 2));
  expect((await explained(none.id, 'no_node')).summary).toMatch(/^No node is online/);
  const [first] = [
    await farm().startAgent({ slots: 2 }),
    await farm().startAgent({ slots: 2, replica: 1 }),
  ];
  for (let replica = 0; replica < 2; replica++) {
    const told = await explained(none.id, 'unsuited');
    expect(told.summary).toBe(
      'None of 2 nodes online can run it: they fail amount.worker.gpu (2 nodes: wanted at least 2, has 0).',
    );
    expect(told.steps[0]).toMatchObject({
      waiting: 1,
      nodes: { unsuited: 2 },
      tests: [{ test: 'amount.worker.gpu', nodes: 2, wanted: 'at least 2', has: '0' }],
      forecast: { start: null, end: null, basis: 'no node can run it' },
    });
    const node = await explainNode(first.nodeId);
    expect(node).toMatchObject({
      state: 'online',
      summary:
        '1 step waits, none for this node now. The node fails amount.worker.gpu (wanted at least 2, has 0).',
      waiting: [
        { wants: '2 GPUs', studios: ['default'], steps: 1, tasks: 1, standing: 'unsuited' },
      ],
    });
  }
  await cancel(none.id);
  await eventually('nothing waits', async () => {
    const { summary } = await explainNode(first.nodeId);
    return summary === 'Nothing waits for nodes.';
  });
  await farm()
    .api()
    .call(routes.drainNode, { params: { nodeId: first.nodeId } });
  expect((await explainNode(first.nodeId)).summary).toBe('It gets no work: an operator drains it.');
});

it('tells that the nodes that suit are drained, or busy, and that running tasks go on', async () => {
  const marks = await Marks.make(farm());
  const agent = await farm().startAgent();
  const job = await farm().submit(gated(marks, '0-4'));
  await marks.written('begun');
  const busy = await explained(job.id, 'busy');
  expect(busy.summary).toBe('1 task runs. The one node that suits is busy.');
  expect(busy.steps[0]).toMatchObject({ waiting: 4, running: 1, nodes: { busy: 1 } });
  expect((await explainNode(agent.nodeId)).summary).toBe(
    'It does not idle: 1 of its 1 slot is in use.',
  );
  const params = { nodeId: agent.nodeId };
  await farm().api().call(routes.drainNode, { params });
  expect((await explained(job.id, 'unavailable')).summary).toMatch(
    /would suit, none takes it now: 1 draining/,
  );
  await farm().api().call(routes.undrainNode, { params });
  await marks.open('gate');
  await farm().jobIn(job.id, ['succeeded']);
  const over = await explain(job.id);
  expect(over).toMatchObject({ summary: 'It has ended: succeeded.', steps: [] });
});

it('tells what a person holds: a paused job, a held step, the step behind it', async () => {
  const marks = await Marks.make(farm());
  await farm().startAgent();
  const template = shellJob(marks, [
    { name: 'Preview', script: 'true' },
    { name: 'Render', script: 'true', dependsOn: ['Preview'] },
  ]);
  const steps = { Preview: { hold: true } };
  const job = await farm().submit(template, { policy: { steps } });
  const held = await explained(job.id, 'held');
  expect(held.summary).toBe('Preview: It is held for approval until a person releases it.');
  expect(held.steps[1]).toMatchObject({
    summary: 'It waits for Preview to succeed.',
    reasons: [{ kind: 'blocked', steps: ['Preview'] }],
    forecast: { basis: 'it waits for Preview: it is held for approval' },
  });
  await farm()
    .api()
    .call(routes.pauseJob, { params: { jobId: job.id } });
  expect((await explain(job.id)).steps[0]?.reasons.map(({ kind }) => kind)).toEqual([
    'paused',
    'held',
  ]);
  await cancel(job.id);
});

it('tells which limit is full, and which quota of the studio or the job', async () => {
  const marks = await Marks.make(farm());
  await farm().startAgent({ slots: 2 });
  const api = farm().api();
  await api.call(routes.setLimit, { params: { name: 'nuke' }, body: { max: 1 } });
  const run = async (body: Omit<SubmissionInput, 'template'>) => {
    const own = await Marks.make(farm());
    const job = await farm().submit(gated(own, '0-1'), body);
    await own.written('begun');
    const told = await explained(job.id, 'limit');
    await own.open('gate');
    await farm().jobIn(job.id, ['succeeded']);
    return told;
  };
  const limited = await run({ policy: { limits: ['nuke'] } });
  expect(limited.summary).toBe('1 task runs. Limit nuke: 1 of 1 in use.');
  expect((await run({ policy: { maxTasks: 1 } })).summary).toBe(
    '1 task runs. Running tasks of the job: 1 of 1 in use.',
  );
  const params = { studio: studioIdSchema.parse('default') };
  await api.call(routes.setStudioShare, { params, body: { maxTasks: 1 } });
  const quota = await run({});
  expect(quota.steps[0]?.reasons).toEqual([
    {
      kind: 'limit',
      text: 'Running tasks of studio default: 1 of 1 in use.',
      limits: [{ name: 'running tasks of studio default', inUse: 1, max: 1, perNode: false }],
    },
  ]);
  await api.call(routes.deleteStudioShare, { params });
  await marks.open('gate');
});

it('tells until when failed tasks wait', async () => {
  const marks = await Marks.make(farm());
  await farm().startAgent();
  const job = await farm().submit(shellJob(marks, [{ script: 'exit 1' }]));
  const told = await explained(job.id, 'backing_off');
  const reason = told.steps[0]?.reasons[0];
  if (reason?.kind !== 'backing_off') throw new Error(`found ${reason?.kind} first`);
  const { lastSyncAt } = (await farm().api().call(routes.listNodes, {})).items.at(-1) ?? {};
  expect(Date.parse(reason.until)).toBeGreaterThan(Date.parse(job.createdAt));
  expect(Date.parse(reason.until) - Date.parse(lastSyncAt ?? '')).toBeLessThan(60_000);
  await farm().jobIn(job.id, ['failed']);
});

it('tells how much of other studios goes first, and of nobody’s jobs but the own', async () => {
  const marks = await Marks.make(farm());
  await farm().startAgent();
  const owner = { studio: studioIdSchema.parse('rivals'), role: 'submit' } as const;
  const { key } = await farm().api().call(routes.createKey, { body: owner });
  const running = await farm().submit(gated(marks, '0-2'));
  await marks.written('begun');
  const theirs = await farm()
    .api(0, key)
    .call(routes.submitJob, {
      body: {
        template: gated(marks, '0-6', 'secret film'),
        policy: { priorityClass: 'urgent' },
      },
    });
  onTestFinished(async () => {
    await farm()
      .api(0, key)
      .call(routes.cancelJob, { params: { jobId: theirs.id } });
  });
  const told = await explained(running.id, 'behind');
  expect(told.steps[0]?.reasons).toMatchObject([
    { kind: 'busy' },
    { kind: 'behind', ahead: [{ by: 'class', own: false, studios: 1, steps: 1, tasks: 7 }] },
  ]);
  expect(JSON.stringify(told)).not.toMatch(/secret|rivals/);
  await expect(explain(running.id, key)).rejects.toMatchObject({ problem: { code: 'not_found' } });
  expect((await explained(theirs.id, 'busy', 0, key)).steps[0]?.reasons).toHaveLength(1);
});

it('foretells the end of a job from its measured tasks, within sane bounds', async () => {
  const marks = await Marks.make(farm());
  await farm().startAgent({ slots: 2 });
  const job = await farm().submit(shellJob(marks, [{ script: 'sleep 0.3', range: '0-39' }]));
  const first = await explain(job.id);
  expect(first.forecast.end).toBeNull();
  expect(first.forecast.basis).toMatch(/measured/);
  const told = await eventually('ten tasks are measured', async () => {
    const { succeeded } = (await farm().readJob(job.id)).taskCounts;
    return succeeded >= 10 ? await explain(job.id) : undefined;
  });
  const { end } = told.forecast;
  if (end === null) throw new Error(`no forecast: ${told.forecast.basis}`);
  const { lastSyncAt } = (await farm().api().call(routes.listNodes, {})).items.at(-1) ?? {};
  const toldMs = Date.parse(lastSyncAt ?? '');
  const ended = await farm().jobIn(job.id, ['succeeded']);
  const tookMs = Date.parse(ended.endedAt ?? '') - toldMs;
  const foretoldMs = Date.parse(end.p50) - toldMs;
  expect(foretoldMs).toBeGreaterThan(tookMs / 3);
  expect(foretoldMs).toBeLessThan(tookMs * 3);
  expect(Date.parse(end.p90)).toBeGreaterThanOrEqual(Date.parse(end.p50));
  expect(told.forecast.basis).toMatch(/measured tasks of Render .* 2 slots in hand$/);
});

it('is told by the command line: of a job, of a node by its name, as data', async () => {
  const marks = await Marks.make(farm());
  await farm().startAgent({ env: { KARST_NODE_NAME: 'desk-7' } });
  const job = await farm().submit(gpuJob(marks, 1));
  await explained(job.id, 'unsuited');
  const env = {
    KARST_URL: farm().urls[0] ?? '',
    KARST_API_KEY_FILE: path.join(farm().dir, 'admin.key'),
  };
  const karst = async (...args: string[]) => await runCli(args, { cwd: farm().dir, env });
  const told = await karst('explain', job.id);
  const why =
    'None of 1 node online can run it: they fail amount.worker.gpu (1 node: wanted at least 1, has 0).';
  expect(told.stdout.split('\n')).toEqual([
    `Job ${job.id} (pending): ${why}`,
    'No forecast: no node can run it',
    '',
    'Step Render (ready): 1 task waiting, 0 running',
    `  - ${why}`,
    '  Nodes: 1 unsuited',
    '    1 node fails amount.worker.gpu: wanted at least 1, has 0',
    '  No forecast: no node can run it',
    '',
  ]);
  const data = jobExplanationSchema.parse(
    JSON.parse((await karst('explain', job.id, '-o', 'json')).stdout),
  );
  expect(data.steps[0]?.reasons[0]?.kind).toBe('unsuited');
  const node = await karst('explain', '--node', 'desk-7');
  expect(node.stdout).toContain('is online, 0 of 1 slot in use.\n1 step waits, none for this node');
  expect(node.stdout).toContain('  - 1 GPU (1 task in 1 step of default): The node fails amount.');
  expect((await karst('get', 'job', job.id)).stdout).toMatch(/^Waits: +None of 1 node online can/m);
  const odd = await karst('explain', '--node', 'desk-8');
  expect([odd.code, odd.stderr]).toEqual([1, 'karst: There is no node desk-8.\n']);
  expect((await karst('explain')).code).toBe(3);
});
