import type { JobId } from '@karst/shared/protocol/ids.ts';
import { routes } from '@karst/shared/protocol/routes.ts';
import { Redis } from 'ioredis';
import { expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { farmForFile } from './support/farm-for-file.ts';
import {
  acceptedOutputs,
  countedTasks,
  counts,
  published,
  taskOf,
  tasksOf,
} from './support/job-state.ts';
import { Marks } from './support/marks.ts';
import { StudioView } from './support/studio-view.ts';

const farm = farmForFile({ livenessMs: 3000 });

interface Chunked {
  range: string;
  defaultTaskCount: number;
  /** Far more than the tasks take, unless given: chunks grow as soon as one is measured. */
  targetRuntimeSeconds?: number;
  rangeConstraint?: 'CONTIGUOUS' | 'NONCONTIGUOUS';
  tiles?: readonly string[];
  /** Shell text; $1 is the marks' directory, $2 the chunk, $3 the output directory, $4 the tile. */
  script: string;
  writes?: boolean;
}

/** Notes the chunk, and each of its values. */
const note = 'echo "$2$4" >> "$1/chunks"; ';
const each = (script: string) => `for v in $(seq "$\{2%-*}" "$\{2#*-}"); do ${script}; done; `;

function chunkedJob(marks: Marks, { script, writes = false, tiles, range, ...chunks }: Chunked) {
  const rangeConstraint = chunks.rangeConstraint ?? 'CONTIGUOUS';
  const { defaultTaskCount, targetRuntimeSeconds = 600 } = chunks;
  const out = { name: 'Out', type: 'PATH', objectType: 'DIRECTORY', dataFlow: 'OUT' };
  const frame = {
    name: 'N',
    type: 'CHUNK[INT]',
    range,
    chunks: { defaultTaskCount, targetRuntimeSeconds, rangeConstraint },
  };
  const tile = tiles === undefined ? [] : [{ name: 'Tile', type: 'STRING', range: tiles }];
  const given = ['{{Param.Marks}}', '{{Task.Param.N}}', writes ? '{{Param.Out}}' : ''];
  const args = [...given, tiles === undefined ? '' : ' {{Task.Param.Tile}}'];
  return JSON.stringify({
    specificationVersion: 'jobtemplate-2023-09',
    extensions: ['TASK_CHUNKING'],
    name: 'adaptive',
    parameterDefinitions: [
      { name: 'Marks', type: 'STRING', default: marks.dir },
      ...(writes ? [{ ...out, default: 'out' }] : []),
    ],
    steps: [
      {
        name: 'Render',
        // The chunked parameter first: it varies fastest all the same.
        parameterSpace: { taskParameterDefinitions: [frame, ...tile] },
        script: { actions: { onRun: { command: '/bin/sh', args: ['-c', script, 'sh', ...args] } } },
      },
    ],
  });
}

/** An agent with one slot, once the farm has forgotten those of other tests: slots share what is left. */
async function onlyAgent() {
  await eventually('no other node is there', async () => {
    const { items } = await farm().api().call(routes.listNodes, {});
    return items.every(({ state }) => state === 'offline');
  });
  return await farm().startAgent();
}

const sizeOf = (chunk: string): number => {
  const [first = 0, last = 0] = chunk.split('-').map(Number);
  return last - first + 1;
};

it('no chunk joins tasks that were added at different times', async () => {
  const marks = await Marks.make(farm());
  await onlyAgent();
  const wait = 'until [ -e "$1/gate" ]; do sleep 0.05; done; ';
  const job = await farm().submit(
    chunkedJob(marks, { range: '1-6', defaultTaskCount: 4, script: note + wait }),
  );
  await marks.written('chunks');
  const body = (N: string) => ({ step: 'Render', ranges: { N } });
  for (const range of ['7-9', '10-12']) {
    const params = { jobId: job.id };
    await farm()
      .api()
      .call(routes.addTasks, { params, body: body(range) });
  }
  await marks.open('gate');
  const ended = await farm().jobIn(job.id, ['succeeded', 'failed']);
  expect(ended).toMatchObject({ state: 'succeeded', taskCounts: counts({ succeeded: 12 }) });
  expect(await marks.lines('chunks')).toEqual(['1-4', '5-6', '7-9', '10-12']);
  const tasks = await tasksOf(farm(), job.id);
  expect(tasks.map(({ parameters }) => Number(parameters.N))).toEqual(
    Array.from({ length: 12 }, (_, i) => i + 1),
  );
  expect(tasks[7]?.chunk).toEqual({ first: 6, last: 8 });
});

it('values go in chunks that grow with what is measured, each once, and no chunk bridges a gap', async () => {
  const marks = await Marks.make(farm());
  await onlyAgent();
  const script = note + each('echo $v >> "$1/values"');
  const range = '1-30,41-70';
  const job = await farm().submit(chunkedJob(marks, { range, defaultTaskCount: 1, script }));
  expect(job.taskCounts).toEqual(counts({ waiting: 60 }));
  const ended = await farm().jobIn(job.id, ['succeeded', 'failed']);
  expect(ended).toMatchObject({ state: 'succeeded', taskCounts: counts({ succeeded: 60 }) });
  expect(await marks.lines('chunks')).toEqual(['1-1', '2-30', '41-70']);
  const values = (await marks.lines('values')).map(Number);
  const wanted = [...Array(30).keys()].flatMap((n) => [n + 1, n + 41]).sort((a, b) => a - b);
  expect(values).toEqual(wanted);
  expect(await countedTasks(farm(), job.id)).toEqual(ended.taskCounts);
  const tasks = await tasksOf(farm(), job.id);
  expect(tasks.map(({ parameters }) => Number(parameters.N))).toEqual(wanted);
  const of = (index: number) => ({
    chunk: tasks[index]?.chunk,
    epoch: tasks[index]?.attempt?.epoch,
  });
  expect(of(29)).toEqual({ chunk: { first: 1, last: 29 }, epoch: of(1).epoch });
  expect(of(30)).toEqual({ chunk: { first: 30, last: 59 }, epoch: of(59).epoch });
});

it('chunks shrink when they take longer than they should', async () => {
  const marks = await Marks.make(farm());
  await onlyAgent();
  const script = note + each('sleep 0.2; echo $v >> "$1/values"');
  const spec = { range: '1-24', defaultTaskCount: 12, targetRuntimeSeconds: 1, script };
  const job = await farm().submit(chunkedJob(marks, spec));
  const ended = await farm().jobIn(job.id, ['succeeded', 'failed']);
  expect(ended.taskCounts).toEqual(counts({ succeeded: 24 }));
  expect((await marks.lines('values')).map(Number).sort((a, b) => a - b)).toEqual(
    [...Array(24).keys()].map((n) => n + 1),
  );
  const [first, ...later] = (await marks.lines('chunks')).map(sizeOf);
  expect(first).toBe(12);
  // 0.2 s each make 5 a second at most.
  expect(Math.max(...later)).toBeLessThanOrEqual(5);
});

it('a chunk that is not contiguous takes any values, of one tile', async () => {
  const marks = await Marks.make(farm());
  await onlyAgent();
  const rangeConstraint = 'NONCONTIGUOUS';
  const tiles = ['a', 'b'];
  const range = '1-9:2,20';
  const spec = { range, defaultTaskCount: 2, rangeConstraint, tiles, script: note } as const;
  const job = await farm().submit(chunkedJob(marks, spec));
  const ended = await farm().jobIn(job.id, ['succeeded', 'failed']);
  expect(ended.taskCounts).toEqual(counts({ succeeded: 12 }));
  expect(await marks.lines('chunks')).toEqual(['1,3 a', '5-9:2,20 a', '1-9:2,20 b']);
  expect((await taskOf(farm(), job.id, 7)).parameters).toEqual({ N: '3', Tile: 'b' });
});

const writing = each('echo "$v $KARST_LEASE_ID" > "$3/$v.txt"');

const logOf = async (jobId: JobId, task: number): Promise<string> =>
  await (await farm().fetch('GET', `/v1/jobs/${jobId}/steps/Render/tasks/${task}/log`)).text();

it('a chunk that fails runs again as it was, and publishes its outputs once', async () => {
  const marks = await Marks.make(farm());
  await onlyAgent();
  const fails = 'if [ "$2" = 3-8 ] && [ ! -e "$1/once" ]; then touch "$1/once"; exit 3; fi; ';
  const script = `${note}${fails}${writing}echo "made $2"`;
  const spec = { range: '1-8', defaultTaskCount: 2, script, writes: true };
  const job = await farm().submit(chunkedJob(marks, spec));
  const ended = await farm().jobIn(job.id, ['succeeded', 'failed']);
  expect(ended).toMatchObject({ state: 'succeeded', taskCounts: counts({ succeeded: 8 }) });
  expect(await marks.lines('chunks')).toEqual(['1-2', '3-8', '3-8']);
  const tasks = await tasksOf(farm(), job.id);
  expect(tasks.map(({ failures }) => failures)).toEqual([0, 0, 1, 1, 1, 1, 1, 1]);
  expect(tasks[6]).toMatchObject({
    attempt: { outcome: 'succeeded' },
    chunk: { first: 2, last: 7 },
  });
  const outputs = await acceptedOutputs(farm(), job.id);
  expect(outputs.map(({ task, path }) => `${task} ${path}`).sort()).toEqual([
    '0 out/1.txt',
    '0 out/2.txt',
    ...[3, 4, 5, 6, 7, 8].map((value) => `2 out/${value}.txt`),
  ]);
  await published(farm(), job.id);
  expect(Object.keys(await new StudioView(farm().storage).outputs(job.id))).toHaveLength(8);
  expect(await logOf(job.id, 5)).toBe('made 3-8\n');
  expect(await logOf(job.id, 1)).toBe('made 1-2\n');

  // A person runs one value again: the chunk that holds it runs, and replaces what it had published.
  const before = await new StudioView(farm().storage).outputs(job.id);
  const params = { jobId: job.id, step: 'Render', task: 5 };
  await farm().api().call(routes.requeueTask, { params });
  expect(await marks.written('chunks', 4)).toEqual(['1-2', '3-8', '3-8', '3-8']);
  await farm().jobIn(job.id, ['succeeded']);
  const again = await published(farm(), job.id);
  expect(again.taskCounts).toEqual(counts({ succeeded: 8 }));
  const after = await new StudioView(farm().storage).outputs(job.id);
  const changed = Object.keys(after).filter((key) => after[key] !== before[key]);
  expect(changed.sort()).toEqual([3, 4, 5, 6, 7, 8].map((value) => `Render/out/${value}.txt`));
});

it('a chunk that fails for good is as many failed tasks, and a retry runs the same chunks', async () => {
  const marks = await Marks.make(farm());
  await onlyAgent();
  const script = `${note}[ -e "$1/fixed" ] || [ "$2" = 1-2 ]`;
  const job = await farm().submit(
    chunkedJob(marks, { range: '1-6,11-14', defaultTaskCount: 2, script }),
    { policy: { maxRetriesPerTask: 0, maxFailedTasks: 3 } },
  );
  const failed = await farm().jobIn(job.id, ['succeeded', 'failed']);
  expect(failed).toMatchObject({
    state: 'failed',
    taskCounts: counts({ succeeded: 2, failed: 4, canceled: 4 }),
  });
  expect(await countedTasks(farm(), job.id)).toEqual(failed.taskCounts);
  await marks.open('fixed');
  const params = { jobId: job.id };
  const { retried } = await farm().api().call(routes.retryJob, { params, body: {} });
  expect(retried).toBe(4);
  const ended = await farm().jobIn(job.id, ['succeeded']);
  expect(ended.taskCounts).toEqual(counts({ succeeded: 10 }));
  expect((await marks.lines('chunks')).toSorted()).toEqual(['1-2', '11-14', '3-6', '3-6']);
});

it('what chunks published is not made again when Redis was emptied', async () => {
  const marks = await Marks.make(farm());
  const agent = await onlyAgent();
  const gate = 'if [ "$2" != 1-3 ]; then until [ -e "$1/gate" ]; do sleep 0.05; done; fi; ';
  const script = note + gate + writing;
  const spec = { range: '1-8', defaultTaskCount: 3, script, writes: true };
  const job = await farm().submit(chunkedJob(marks, spec));
  await eventually('the first chunk is published, the second runs', async () => {
    const { outputs } = await farm().readJob(job.id);
    return outputs.published === 3 && (await marks.lines('chunks')).length === 2;
  });
  await farm().replicas[0]?.kill();
  await agent.child.kill();
  const redis = new Redis(farm().redis.url);
  await redis.flushall();
  redis.disconnect();
  await farm().startReplica(0);
  const restored = await farm().readJob(job.id);
  expect(restored.taskCounts).toEqual(counts({ succeeded: 3, waiting: 5 }));
  expect((await taskOf(farm(), job.id, 2)).chunk).toEqual({ first: 0, last: 2 });
  await marks.open('gate');
  await farm().startAgent({ dir: agent.dir });
  const ended = await farm().jobIn(job.id, ['succeeded', 'failed']);
  expect(ended.taskCounts).toEqual(counts({ succeeded: 8 }));
  await published(farm(), job.id);
  expect(Object.keys(await new StudioView(farm().storage).outputs(job.id))).toHaveLength(8);
  const chunks = await marks.lines('chunks');
  expect(chunks.filter((chunk) => chunk === '1-3')).toHaveLength(1);
});
