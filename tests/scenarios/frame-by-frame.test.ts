import { mkdtemp, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { keys } from '@karst/orchestrator/store/keys.ts';
import { SpanStore } from '@karst/orchestrator/store/span-store.ts';
import { type JobId, jobIdSchema, newLeaseId, newNodeId } from '@karst/shared/protocol/ids.ts';
import { routes } from '@karst/shared/protocol/routes.ts';
import { systemRandom } from '@karst/shared/random.ts';
import { Redis } from 'ioredis';
import { expect, it } from 'vitest';
import { runCli } from '../cli/support/run-cli.ts';
import { reportOne } from '../store/support/report-one.ts';
import { eventually } from '../support/eventually.ts';
import { farmForFile } from './support/farm-for-file.ts';
import { counts, published, tasksOf } from './support/job-state.ts';
import { Marks } from './support/marks.ts';
import { shellJob } from './support/shell-job.ts';

const farm = farmForFile({ replicas: 2, livenessMs: 5000 });

/** A frame of A that waits until the gate `a-<frame>` is open, if `gated` names it. */
const gated = (frames: string) =>
  `case " ${frames} " in *" $2 "*) until [ -e "$1/a-$2" ]; do sleep 0.05; done;; esac; `;

interface PairOptions {
  frames: number;
  /** Shell of A before it is done. */
  a?: string;
  /** Shell of B before it takes what A made. */
  b?: string;
}

/** B takes what A made of the same frame; both note when they are there. */
const pair = (marks: Marks, { frames, a = '', b = '' }: PairOptions) =>
  shellJob(marks, [
    {
      name: 'A',
      range: `0-${frames - 1}`,
      script: `${a}echo "a$2" > "$3/a-$2.txt"; echo "A $2" >> "$1/log"`,
      writes: true,
    },
    {
      name: 'B',
      range: `0-${frames - 1}`,
      dependsOn: ['A'],
      script: `echo "B $2" >> "$1/log"; ${b}cat "$3/a-$2.txt" > "$3/b-$2.txt"`,
      writes: true,
    },
  ]);

const frameByFrame = { policy: { steps: { B: { frameDependencies: [{ step: 'A' }] } } } };

const countsOf = async (jobId: JobId, step: string) => {
  const { items } = await farm().api().call(routes.listSteps, { params: { jobId } });
  return items.find(({ name }) => name === step)?.taskCounts;
};

const stepHas = (jobId: JobId, step: string, wanted: object) =>
  eventually(`${step} has ${JSON.stringify(wanted)}`, async () => {
    const found = await countsOf(jobId, step);
    return Object.entries(wanted).every(([state, n]) =>
      Object.entries(found ?? {}).some(([name, count]) => name === state && count === n),
    );
  });

/** Each B began behind its own A; answers B's frames in the order in which they began. */
async function checkLog(marks: Marks): Promise<number[]> {
  const log = await marks.lines('log');
  const began = log.flatMap((line) => (line.startsWith('B ') ? [Number(line.slice(2))] : []));
  for (const frame of began) {
    const at = log.indexOf(`A ${frame}`);
    expect(at >= 0 && at < log.indexOf(`B ${frame}`), `B ${frame} behind A ${frame}`).toBe(true);
  }
  return began;
}

it('runs each frame of B when the same frame of A is done, while A goes on', async () => {
  const marks = await Marks.make(farm());
  await farm().startAgent({ slots: 2 });
  await farm().startAgent({ replica: 1 });
  const job = await farm().submit(pair(marks, { frames: 6, a: gated('2') }), frameByFrame);
  await stepHas(job.id, 'B', { succeeded: 5, waiting: 1 });
  expect(await countsOf(job.id, 'A')).toEqual(counts({ succeeded: 5, running: 1 }));
  await marks.open('a-2');
  await farm().jobIn(job.id, ['succeeded']);
  const began = await checkLog(marks);
  expect(began.at(-1)).toBe(2);
  expect(began.toSorted()).toEqual([0, 1, 2, 3, 4, 5]);
  await published(farm(), job.id);
});

it('brings what A has made since into a session that is kept', async () => {
  const marks = await Marks.make(farm());
  const agent = await farm().startAgent({ slots: 4 });
  // Three slots are A's, so that B runs its frames in the fourth.
  const b = 'echo "$' + '{PWD}" >> "$1/sessions"; ';
  const job = await farm().submit(pair(marks, { frames: 4, a: gated('1 2 3'), b }), frameByFrame);
  for (const frame of [1, 2, 3]) {
    await stepHas(job.id, 'B', { succeeded: frame });
    await marks.open(`a-${frame}`);
  }
  await farm().jobIn(job.id, ['succeeded']);
  expect(await checkLog(marks)).toEqual([0, 1, 2, 3]);
  expect(new Set(await marks.lines('sessions')).size).toBe(1);
  expect(agent.child.stderr).not.toContain('of no use to another step');
});

it('starts a chunk of B when all of its frames are done', async () => {
  const marks = await Marks.make(farm());
  await farm().startAgent({ slots: 2 });
  const template = JSON.parse(pair(marks, { frames: 9, a: gated('4') }));
  template.extensions = ['TASK_CHUNKING'];
  const [definition] = template.steps[1].parameterSpace.taskParameterDefinitions;
  const chunks = { defaultTaskCount: 3, rangeConstraint: 'CONTIGUOUS' };
  Object.assign(definition, { type: 'CHUNK[INT]', chunks });
  template.steps[1].script.actions.onRun.args[1] =
    'echo "$2" >> "$1/chunks"; for i in $(seq $(echo "$2" | tr - " ")); do cat "$3/a-$i.txt" || exit 1; done > "$3/b-$2.txt"';
  const job = await farm().submit(JSON.stringify(template), frameByFrame);
  await stepHas(job.id, 'B', { succeeded: 2, waiting: 1 });
  expect((await marks.lines('chunks')).toSorted()).toEqual(['0-2', '6-8']);
  await marks.open('a-4');
  await farm().jobIn(job.id, ['succeeded']);
  expect((await marks.lines('chunks')).at(-1)).toBe('3-5');
});

it('cancels of B what waits for a frame that failed for good, and brings both back by a retry', async () => {
  const marks = await Marks.make(farm());
  await farm().startAgent({ slots: 3 });
  const a = `${gated('3')}if [ "$2" = 1 ] && ! [ -e "$1/mended" ]; then exit 3; fi; `;
  const b = 'case "$2" in 0|2) until [ -e "$1/b" ]; do sleep 0.05; done;; esac; ';
  const policy = { ...frameByFrame.policy, maxRetriesPerTask: 0 };
  const job = await farm().submit(pair(marks, { frames: 4, a, b }), { policy });
  await stepHas(job.id, 'A', { failed: 1, succeeded: 2 });
  await marks.open('a-3');
  await stepHas(job.id, 'A', { failed: 1, succeeded: 3 });
  // What was done goes on, though A has ended.
  await stepHas(job.id, 'B', { canceled: 1 });
  expect((await tasksOf(farm(), job.id, 'B')).map(({ state }) => state)[1]).toBe('canceled');
  await marks.open('b');
  expect(await farm().jobIn(job.id, ['failed'])).toMatchObject({
    taskCounts: counts({ succeeded: 6, failed: 1, canceled: 1 }),
  });
  const { items } = await farm()
    .api()
    .call(routes.listSteps, { params: { jobId: job.id } });
  expect(items.map(({ state }) => state)).toEqual(['failed', 'canceled']);
  expect((await tasksOf(farm(), job.id, 'B')).map(({ state }) => state)).toEqual([
    'succeeded',
    'canceled',
    'succeeded',
    'succeeded',
  ]);

  await marks.open('mended');
  await farm()
    .api()
    .call(routes.retryJob, { params: { jobId: job.id }, body: { step: 'A' } });
  expect((await farm().jobIn(job.id, ['succeeded'])).taskCounts).toEqual(counts({ succeeded: 8 }));
  expect((await checkLog(marks)).toSorted()).toEqual([0, 1, 2, 3]);
});

it('cancels all of B with A, and with the job', async () => {
  const marks = await Marks.make(farm());
  await farm().startAgent({ slots: 3 });
  const policy = { ...frameByFrame.policy, maxRetriesPerTask: 0 };
  const failing = await farm().submit(pair(marks, { frames: 3, a: 'exit 1; ' }), { policy });
  expect((await farm().jobIn(failing.id, ['failed'])).taskCounts).toEqual(
    counts({ failed: 3, canceled: 3 }),
  );
  const stopped = await farm().submit(pair(marks, { frames: 3, a: gated('1 2') }), { policy });
  await stepHas(stopped.id, 'B', { succeeded: 1 });
  await farm()
    .api()
    .call(routes.cancelJob, { params: { jobId: stopped.id } });
  expect((await farm().jobIn(stopped.id, ['canceled'])).taskCounts).toEqual(
    counts({ succeeded: 2, canceled: 4 }),
  );
});

it('lets a held B wait for a person all the same', async () => {
  const marks = await Marks.make(farm());
  await farm().startAgent({ slots: 2 });
  const B = { ...frameByFrame.policy.steps.B, hold: true };
  const job = await farm().submit(pair(marks, { frames: 3 }), { policy: { steps: { B } } });
  expect(job.heldSteps).toEqual(['B']);
  await stepHas(job.id, 'A', { succeeded: 3 });
  expect(await checkLog(marks)).toEqual([]);
  await farm()
    .api()
    .call(routes.releaseStep, { params: { jobId: job.id, step: 'B' } });
  await farm().jobIn(job.id, ['succeeded']);
});

it('lets B run although the replica that took A’s report died before it told anyone', async () => {
  const marks = await Marks.make(farm());
  const job = await farm().submit(
    pair(marks, { frames: 2, a: gated('1'), b: 'exit 0; ' }),
    frameByFrame,
  );
  // What a replica writes up to that moment, by the same scripts, and nothing behind it.
  const redis = new Redis(farm().redis.url);
  const spans = new SpanStore(redis);
  const [nodeId, leaseId] = [newNodeId(systemRandom), newLeaseId(systemRandom)];
  const { spanIds } = await spans.createSpans(job.id, 0, 1, 1);
  const spanId = spanIds[0] ?? 0;
  // Else the reconcile pass takes it back, should it look in between.
  await redis.hset(keys.nodeLeases(nodeId), leaseId, `${job.id} 0 ${spanId}`);
  const granted = await spans.grant(job.id, 0, nodeId, 1, [{ spanId, leaseId }]);
  const epoch = granted.status === 'granted' ? (granted.spans[0]?.epoch ?? 0) : 0;
  const lease = { jobId: job.id, step: 0, spanId, leaseId, epoch };
  const bare = { first: 0, last: 0, runMs: 1, outputs: '', outputsCount: 0 };
  const record = `0 0 ${epoch} ${nodeId} 1 2`;
  const reported = await reportOne(spans, nodeId, lease, 2, [{ code: 'b', record, ...bare }]);
  expect(reported).toMatchObject({ status: 'accepted', effects: { release: true } });
  redis.disconnect();
  await farm().startAgent({ slots: 2, replica: 1 });
  await marks.written('log', 1);
  expect(await marks.lines('log')).toEqual(['B 0']);
});

it('loses no frame when replicas are killed all along', async () => {
  const marks = await Marks.make(farm());
  for (const replica of [0, 1]) await farm().startAgent({ slots: 2, replica });
  const frames = 40;
  const job = await farm().submit(pair(marks, { frames, a: 'sleep 0.1; ' }), frameByFrame);
  for (const index of [0, 1, 0]) {
    const before = (await farm().readJob(job.id)).taskCounts.succeeded;
    await eventually('some more are done', async () => {
      const { taskCounts } = await farm().readJob(job.id);
      return taskCounts.succeeded >= Math.min(before + 10, 2 * frames);
    });
    await farm().replicas[index]?.kill();
    await farm().startReplica(index);
  }
  const ended = await farm().jobIn(job.id, ['succeeded']);
  expect(ended.taskCounts).toEqual(counts({ succeeded: 2 * frames }));
  await checkLog(marks);
});

it('goes on when Redis was emptied', async () => {
  const marks = await Marks.make(farm());
  const agent = await farm().startAgent({ slots: 4 });
  const job = await farm().submit(pair(marks, { frames: 5, a: gated('3 4') }), frameByFrame);
  await eventually('three frames of both are published', async () => {
    const { outputs } = await farm().readJob(job.id);
    return outputs.published === 6;
  });
  for (const replica of farm().replicas) await replica.kill();
  await agent.child.kill();
  const redis = new Redis(farm().redis.url);
  await redis.flushall();
  redis.disconnect();
  for (const index of [0, 1]) await farm().startReplica(index);
  for (const frame of [3, 4]) await marks.open(`a-${frame}`);
  await farm().startAgent({ dir: agent.dir, slots: 2 });
  await farm().jobIn(job.id, ['succeeded']);
  expect((await checkLog(marks)).toSorted()).toEqual([0, 1, 2, 3, 4]);
});

it('is asked for on the command line, and refused where the template says otherwise', async () => {
  const marks = await Marks.make(farm());
  await farm().startAgent({ slots: 2 });
  const cwd = await mkdtemp(path.join(farm().dir, 'cli-'));
  await writeFile(path.join(cwd, 'job.json'), pair(marks, { frames: 3, a: gated('2') }));
  const env = {
    KARST_URL: farm().urls[0] ?? '',
    KARST_API_KEY_FILE: path.join(farm().dir, 'admin.key'),
  };
  const run = (...args: string[]) => runCli(['submit', 'job.json', ...args], { cwd, env });
  const refused = await run(
    '--frame-by-frame',
    'A=B',
    '--order',
    'B=bisect',
    '--frame-by-frame',
    'B=A',
  );
  expect(refused.code).not.toBe(0);
  expect(refused.stderr).toContain('"A" does not depend on "B" in the template');
  expect(refused.stderr).toContain('they have no order of their own (found bisect)');
  const { stdout, code } = await run('--frame-by-frame', 'B=A');
  expect(code).toBe(0);
  const jobId = jobIdSchema.parse(stdout.trim());
  await stepHas(jobId, 'B', { succeeded: 2 });
  await marks.open('a-2');
  await farm().jobIn(jobId, ['succeeded']);
});
