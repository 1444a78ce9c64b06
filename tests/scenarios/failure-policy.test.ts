import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { farmEventSchema } from '@karst/shared/protocol/event.ts';
import { expect, it } from 'vitest';
import { openEvents } from '../http/event-reader.ts';
import type { FarmAgent } from '../support/farm.ts';
import { farmForFile } from './support/farm-for-file.ts';
import { counts, taskIn, taskOf } from './support/job-state.ts';
import { agentName, Marks, noteStart, waitFor } from './support/marks.ts';
import { shellJob } from './support/shell-job.ts';

const farm = farmForFile();

/** Shell that fails on the nodes that the test named, once it opens the gate. */
const failWhereBad = `${noteStart}if grep -qs "$\{KARST_NODE_DIR##*/}" "$1/bad"; then ${waitFor('gate')}exit 1; fi; `;

const nameBad = async (marks: Marks, agents: readonly FarmAgent[]) =>
  await writeFile(join(marks.dir, 'bad'), agents.map(agentName).join('\n'));

const startsOf = async (marks: Marks, task = 0) =>
  (await marks.starts(task)).map(({ agent }) => agent);

it('fails a task at once for an exit code that no retry mends', async () => {
  const marks = await Marks.make(farm());
  await farm().startAgent();
  const steps = [{ script: `${noteStart}exit 3` }];
  const job = await farm().submit(shellJob(marks, steps), {
    policy: {
      maxRetriesPerTask: 5,
      failureRules: [
        { name: 'elsewhere', exitCodes: [3], steps: ['Render'], log: 'never printed', as: 'farm' },
        { name: 'wrong-scene', exitCodes: [3, 4], as: 'fatal' },
      ],
    },
  });
  const ended = await farm().jobIn(job.id, ['failed', 'succeeded']);
  expect(ended.taskCounts).toEqual(counts({ failed: 1 }));
  expect(await startsOf(marks)).toHaveLength(1);
  expect(await taskOf(farm(), job.id)).toMatchObject({
    failures: 1,
    attempt: { exitCode: 3, failureClass: 'task', failureRule: 'wrong-scene' },
  });
});

it('waits for a missing licence, known by the log, at no cost', async () => {
  const marks = await Marks.make(farm());
  await farm().startAgent();
  const script = `${noteStart}if [ -e "$1/licence" ]; then exit 0; fi; echo "ERROR: No License for nuke_r"; exit 1`;
  const job = await farm().submit(shellJob(marks, [{ script }]), {
    policy: {
      maxRetriesPerTask: 0,
      failureRules: [
        { name: 'licence', log: '(?i)no licen[cs]e for \\w+$', as: 'farm', delaySeconds: 1 },
      ],
    },
  });
  // More often than a task may fail by itself.
  await marks.started(0, 3);
  expect(await taskOf(farm(), job.id)).toMatchObject({
    failures: 0,
    attempt: { failureClass: 'farm', failureRule: 'licence', failureKind: 'exit' },
  });
  await marks.open('licence');
  const ended = await farm().jobIn(job.id, ['failed', 'succeeded']);
  expect(ended.taskCounts).toEqual(counts({ succeeded: 1 }));
});

it('a log pattern sees what an environment prints when it is entered', async () => {
  const marks = await Marks.make(farm());
  await farm().startAgent();
  const template = JSON.parse(shellJob(marks, [{ script: noteStart }]));
  const onEnter = { command: '/bin/sh', args: ['-c', 'echo checkout denied; exit 7'] };
  template.jobEnvironments = [{ name: 'Licence', script: { actions: { onEnter } } }];
  const job = await farm().submit(JSON.stringify(template), {
    policy: { failureRules: [{ name: 'denied', log: 'checkout denied', as: 'fatal' }] },
  });
  await farm().jobIn(job.id, ['failed']);
  expect(await taskOf(farm(), job.id)).toMatchObject({ attempt: { failureRule: 'denied' } });
  expect(await startsOf(marks)).toEqual([]);
});

it('tries a task that failed on one node on the other', async () => {
  const marks = await Marks.make(farm());
  const bad = await farm().startAgent();
  await nameBad(marks, [bad]);
  const job = await farm().submit(shellJob(marks, [{ script: failWhereBad }]));
  await marks.started(0);
  const good = await farm().startAgent();
  await marks.open('gate');
  const ended = await farm().jobIn(job.id, ['failed', 'succeeded']);
  expect(ended.taskCounts).toEqual(counts({ succeeded: 1 }));
  expect(await startsOf(marks)).toEqual([bad, good].map(agentName));
});

it('gives the node that a task avoids others of the step, those behind it too', async () => {
  const marks = await Marks.make(farm());
  const bad = await farm().startAgent();
  await nameBad(marks, [bad]);
  const script = `if [ "$2" = 0 ]; then ${failWhereBad}fi; ${noteStart}${waitFor('go-$2')}`;
  const job = await farm().submit(shellJob(marks, [{ script, range: '0-4' }]));
  await marks.started(0);
  const good = await farm().startAgent();
  // The other node is busy while the failed task waits: this one goes on with the rest.
  await marks.started(1);
  await marks.open('gate');
  for (const task of [2, 3, 4]) {
    await marks.started(task);
    expect((await startsOf(marks, task))[0]).toBe(agentName(bad));
    await marks.open(`go-${task}`);
  }
  for (const task of [2, 3, 4]) await taskIn(farm(), job.id, 'succeeded', task);
  expect(await startsOf(marks)).toEqual([agentName(bad)]);
  await Promise.all([marks.open('go-1'), marks.open('go-0')]);
  const ended = await farm().jobIn(job.id, ['failed', 'succeeded']);
  expect(ended.taskCounts).toEqual(counts({ succeeded: 5 }));
  expect(new Set(await startsOf(marks))).toEqual(new Set([bad, good].map(agentName)));
});

it('tries again on the same node when there is no other', async () => {
  const marks = await Marks.make(farm());
  const only = await farm().startAgent();
  const script = `${noteStart}[ -e "$1/tried" ] || { : > "$1/tried"; exit 1; }`;
  const job = await farm().submit(shellJob(marks, [{ script }]));
  const ended = await farm().jobIn(job.id, ['failed', 'succeeded']);
  expect(ended.taskCounts).toEqual(counts({ succeeded: 1 }));
  expect(await startsOf(marks)).toEqual([agentName(only), agentName(only)]);
});

it('gives a task up that failed on three nodes, and names them', async () => {
  const marks = await Marks.make(farm());
  const agents = [await farm().startAgent()];
  for (let n = 0; n < 3; n++) agents.push(await farm().startAgent());
  const key = (await readFile(join(farm().dir, 'admin.key'), 'utf8')).trim();
  await using events = await openEvents(farm().urls[0] ?? '', key);
  const job = await farm().submit(shellJob(marks, [{ script: `${noteStart}exit 1` }]), {
    policy: { maxRetriesPerTask: 50 },
  });
  const ended = await farm().jobIn(job.id, ['failed', 'succeeded']);
  expect(ended.taskCounts).toEqual(counts({ failed: 1 }));
  const started = await startsOf(marks);
  expect(new Set(started).size).toBe(3);
  expect(started).toHaveLength(3);
  const { attempt } = await taskOf(farm(), job.id);
  expect(attempt?.message).toContain('failed on 3 nodes');
  for (const { nodeId } of agents.filter((agent) => started.includes(agentName(agent)))) {
    expect(attempt?.message).toContain(nodeId);
  }
  for (;;) {
    const event = farmEventSchema.parse((await events.next()).data);
    if (event.type !== 'poison') continue;
    expect(event).toMatchObject({ jobId: job.id, step: 'Render', task: 0 });
    const failed = agents.filter((agent) => started.includes(agentName(agent)));
    expect(event.nodes.toSorted()).toEqual(failed.map(({ nodeId }) => nodeId).toSorted());
    break;
  }
});

it('refuses rules that can’t be kept, each at its place', async () => {
  const marks = await Marks.make(farm());
  const template = shellJob(marks, [{ script: 'true' }]);
  const submit = async (rule: object) => {
    const body = { template, policy: { failureRules: [{ name: 'r', as: 'farm', ...rule }] } };
    const response = await farm().fetch('POST', '/v1/jobs', body);
    return { status: response.status, text: await response.text() };
  };
  for (const [rule, message] of [
    [{ log: 'a(?!b)' }, 'at character 2: only plain groups'],
    [{}, 'expected exitCodes, signals or log'],
    [{ exitCodes: [256] }, '256'],
    [{ exitCodes: [1], steps: ['Rendr'] }, 'the job has no step'],
  ] as const) {
    const answer = await submit(rule);
    expect(answer.status).toBe(400);
    expect(answer.text).toContain(message);
  }
});
