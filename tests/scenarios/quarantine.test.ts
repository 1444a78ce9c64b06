import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { farmEventSchema } from '@karst/shared/protocol/event.ts';
import { type NodeId, studioIdSchema } from '@karst/shared/protocol/ids.ts';
import type { Job } from '@karst/shared/protocol/job.ts';
import { routes } from '@karst/shared/protocol/routes.ts';
import { expect, it } from 'vitest';
import { type EventReader, openEvents } from '../http/event-reader.ts';
import { eventually } from '../support/eventually.ts';
import { farmForFile } from './support/farm-for-file.ts';
import { Marks } from './support/marks.ts';

const farm = farmForFile({
  livenessMs: 3000,
  env: { KARST_QUARANTINE_MS: '2500', KARST_QUARANTINE_MS_MAX: '20000' },
});

/** An agent whose tasks find programs in a directory of its own too. */
async function agentWith(marks: Marks, name: string) {
  const bin = join(marks.dir, name);
  await mkdir(bin);
  const agent = await farm().startAgent({ env: { KARST_TASK_PATH: `${process.env.PATH}:${bin}` } });
  return { ...agent, bin };
}

/** Puts the renderer there that the jobs call for. */
async function install(bin: string): Promise<void> {
  const path = join(bin, 'scenario-renderer');
  await writeFile(path, '#!/bin/sh\nsleep 0.05\n');
  await chmod(path, 0o755);
}

function job(name: string, command = 'scenario-renderer', tasks = 6): string {
  const range = `1-${tasks}`;
  return JSON.stringify({
    specificationVersion: 'jobtemplate-2023-09',
    name,
    steps: [
      {
        name: 'Render',
        parameterSpace: { taskParameterDefinitions: [{ name: 'N', type: 'INT', range }] },
        script: { actions: { onRun: { command } } },
      },
    ],
  });
}

async function keyOf(studio: string): Promise<string> {
  const body = { studio: studioIdSchema.parse(studio), role: 'submit' } as const;
  return (await farm().api().call(routes.createKey, { body })).key;
}

async function nextQuarantine(events: EventReader) {
  for (;;) {
    const event = farmEventSchema.parse((await events.next()).data);
    if (event.type === 'quarantine') return event;
  }
}

const nodeOf = (nodeId: NodeId) => farm().api().call(routes.getNode, { params: { nodeId } });

const nodeIn = (nodeId: NodeId, state: string) =>
  eventually(`node ${state}`, async () => {
    const node = await nodeOf(nodeId);
    return node.state === state ? node : undefined;
  });

it('sends a node away that fails what others can do, and lets it come back', async () => {
  const marks = await Marks.make(farm());
  const good = await agentWith(marks, 'good');
  await install(good.bin);
  const bad = await agentWith(marks, 'bad');
  const url = farm().urls[0] ?? '';
  const rivalKey = await keyOf('rivals');
  const ownKey = (await readFile(join(farm().dir, 'admin.key'), 'utf8')).trim();
  await using own = await openEvents(url, ownKey);
  await using rivals = await openEvents(url, rivalKey);
  const jobs: Job[] = [];
  const theirs: Job[] = [];
  // Two tasks each: six failures, which alone would tell, take three jobs.
  for (const name of ['one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight']) {
    jobs.push(await farm().submit(job(name, 'scenario-renderer', 2)));
    const body = { template: job(`rival ${name}`, 'scenario-renderer', 2) };
    theirs.push(await farm().api(0, rivalKey).call(routes.submitJob, { body }));
  }
  const node = await nodeIn(bad.nodeId, 'quarantined');
  expect(node.drainReason).toMatch(/tasks of \d+ jobs failed here in a row/);
  expect(new Set(node.quarantined?.evidence.map(({ jobId }) => jobId)).size).toBeGreaterThan(2);
  expect(node.quarantined?.evidence[0]).toMatchObject({ step: 'Render', kind: 'command' });
  // Each studio whose tasks failed there hears of the node, and of its own jobs only.
  const evidence = node.quarantined?.evidence ?? [];
  for (const [events, ofStudio] of [
    [own, jobs],
    [rivals, theirs],
  ] as const) {
    const failed = evidence.filter(({ jobId }) => ofStudio.some(({ id }) => id === jobId));
    for (const { jobId, step, task } of failed.slice(0, 1)) {
      const told = await nextQuarantine(events);
      expect(told).toMatchObject({ jobId, nodeId: bad.nodeId });
      expect(told.tasks).toContainEqual({ step, task });
      expect(JSON.stringify(told)).not.toContain('tasks of');
    }
  }
  for (const { id } of jobs) {
    const ended = await farm().jobIn(id, ['succeeded', 'failed']);
    expect(ended.state).toBe('succeeded');
  }
  // What is left of them would be known to be no fault of its job, and send the node away for longer.
  for (const { id: jobId } of theirs) {
    await eventually('rival job ended', async () => {
      const { state } = await farm().api(0, rivalKey).call(routes.getJob, { params: { jobId } });
      return state === 'succeeded';
    });
  }
  expect((await nodeOf(good.nodeId)).quarantined).toBeUndefined();
  const metrics = await (await farm().fetch('GET', '/metrics')).text();
  expect(metrics).toMatch(/^karst_node_quarantines_total [1-9]/m);

  // Nobody has done a task of this job: what fails on probation may be the job's fault.
  await eventually('probation', async () => (await nodeOf(bad.nodeId)).quarantined?.probation);
  await good.child.kill();
  const more = await farm().submit(job('more', 'scenario-renderer', 2));
  const first = await eventually('its failure kept', async () => {
    const { quarantined } = await nodeOf(bad.nodeId);
    return quarantined?.evidence.some(({ jobId }) => jobId === more.id) ? quarantined : undefined;
  });
  expect(first.probation).toBe(true);
  await farm().jobIn(more.id, ['failed']);

  await install(bad.bin);
  const last = await farm().submit(job('last'));
  expect((await farm().jobIn(last.id, ['succeeded', 'failed'])).state).toBe('succeeded');
  expect(await nodeOf(bad.nodeId)).toMatchObject({ state: 'online' });
  expect((await nodeOf(bad.nodeId)).quarantined).toBeUndefined();
});

it('an operator may restore it at once; no job that fails everywhere costs the farm a node', async () => {
  const marks = await Marks.make(farm());
  const good = await agentWith(marks, 'good');
  await install(good.bin);
  const bad = await agentWith(marks, 'bad');
  const policy = { maxRetriesPerTask: 1 };
  for (const name of ['a', 'b', 'c', 'd']) {
    const broken = await farm().submit(job(name, 'no-such-renderer', 2), { policy });
    await farm().jobIn(broken.id, ['failed']);
  }
  expect((await nodeOf(good.nodeId)).state).toBe('online');
  expect((await nodeOf(bad.nodeId)).state).toBe('online');
  for (const name of ['e', 'f', 'g', 'h']) await farm().submit(job(name));
  await nodeIn(bad.nodeId, 'quarantined');
  const params = { nodeId: bad.nodeId };
  const restored = await farm().api().call(routes.restoreNode, { params });
  expect(restored).toMatchObject({ state: 'online' });
  expect(restored.quarantined).toBeUndefined();
});
