import type { NodeSettingsChange } from '@karst/shared/protocol/node-settings.ts';
import { routes } from '@karst/shared/protocol/routes.ts';
import { dayNames, type Schedule } from '@karst/shared/protocol/schedule.ts';
import { Redis } from 'ioredis';
import { expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { farmForFile } from './support/farm-for-file.ts';
import { counts, tasksOf } from './support/job-state.ts';
import { agentName, Marks, noteStart, waitFor } from './support/marks.ts';
import { shellJob } from './support/shell-job.ts';

const farm = farmForFile({ livenessMs: 5000 });
const policy = { maxRetriesPerTask: 0 };

/** Open at all times but the hours around this one. */
function closedNow(): Schedule {
  const hour = (offset: number) =>
    `${String((new Date(Date.now() + offset * 3_600_000).getUTCHours() + 24) % 24).padStart(2, '0')}:00`;
  return { timezone: 'UTC', windows: [{ days: [...dayNames], from: hour(3), to: hour(-3) }] };
}

it('an operator stops a node at once: its lease moves on, and costs no retry', async () => {
  const marks = await Marks.make(farm());
  const first = await farm().startAgent();
  const script = noteStart + waitFor('go');
  const job = await farm().submit(shellJob(marks, [{ script }]), { policy });
  await marks.started(0);
  const params = { nodeId: first.nodeId };
  const stopped = await farm()
    .api()
    .call(routes.drainNode, { params, query: { now: 'true' } });
  expect(stopped).toMatchObject({ state: 'draining', drainReason: 'an operator stopped it' });
  await eventually('the lease is given back', async () => {
    const job_ = await farm().readJob(job.id);
    return job_.taskCounts.waiting === 1;
  });

  const second = await farm().startAgent();
  expect((await marks.started(0, 2)).agent).toBe(agentName(second));
  await marks.open('go');
  const ended = await farm().jobIn(job.id, ['succeeded']);
  expect(ended.taskCounts).toEqual(counts({ succeeded: 1 }));
  expect((await tasksOf(farm(), job.id)).map(({ failures }) => failures)).toEqual([0]);

  // Both nodes work once it may again.
  await farm().api().call(routes.undrainNode, { params });
  const both = shellJob(marks, [
    {
      range: '0-1',
      script: `echo here >> "$1/both"; until [ "$(wc -l < "$1/both")" -ge 2 ]; do sleep 0.05; done`,
    },
  ]);
  const together = await farm().submit(both, { policy });
  await farm().jobIn(together.id, ['succeeded']);
  await farm()
    .api()
    .call(routes.drainNode, { params: { nodeId: second.nodeId } });
});

it('a node outside its schedule gets nothing, and one that closes hard gives back what it runs', async () => {
  const marks = await Marks.make(farm());
  const { nodeId } = await farm().startAgent();
  for (const agent of farm().agents) {
    if (agent.nodeId === nodeId) continue;
    await farm()
      .api()
      .call(routes.drainNode, { params: { nodeId: agent.nodeId } });
  }
  const api = farm().api();
  const params = { nodeId };
  const script = noteStart + waitFor('go');
  const job = await farm().submit(shellJob(marks, [{ script }]), { policy });
  await marks.started(0);
  const schedule = closedNow();
  const body = { schedule, stop: 'hard' as const, pool: 'nights', tags: ['rtx'] };
  const closed = await api.call(routes.setNode, { params, body });
  expect(closed).toMatchObject({ state: 'draining', pool: 'nights', tags: ['rtx'], stop: 'hard' });
  expect(closed.drainReason).toMatch(/^outside its schedule \(mon-sun .* UTC\)$/);
  await eventually('the lease is given back', async () => {
    return (await farm().readJob(job.id)).taskCounts.waiting === 1;
  });

  // No schedule: at any time. What was not named stays.
  const opened = await api.call(routes.setNode, { params, body: { schedule: null } });
  expect(opened).toMatchObject({ state: 'online', pool: 'nights', tags: ['rtx'], stop: 'hard' });
  expect(opened.schedule).toBeUndefined();
  await marks.started(0, 2);
  await marks.open('go');
  await farm().jobIn(job.id, ['succeeded']);
});

it('what operators have set outlives Redis', async () => {
  const { nodeId } = await farm().startAgent();
  const params = { nodeId };
  const schedule = closedNow();
  const body = { pool: 'render', tags: ['a', 'b'], schedule, stop: 'hard' as const };
  const prices = { gpuHour: 1.8, coreHour: 0.04 };
  const set = (change: NodeSettingsChange) =>
    farm().api().call(routes.setNode, { params, body: change });
  await set({ ...body, prices });
  expect((await set({ prices: { gpuHour: null } })).prices).toEqual({ coreHour: 0.04 });
  await farm()
    .api()
    .call(routes.drainNode, { params, query: { now: 'true' } });
  await farm().replicas[0]?.kill();
  const redis = new Redis(farm().redis.url);
  await redis.flushall();
  redis.disconnect();
  await farm().startReplica(0);
  const node = await farm().api().call(routes.getNode, { params });
  expect(node.prices).toEqual({ coreHour: 0.04 });
  expect(node).toMatchObject({ ...body, drainReason: 'an operator stopped it' });
});

it('settings that make no sense are refused by name', async () => {
  const { nodeId } = await farm().startAgent();
  const patch = async (body: unknown) => {
    const answer = await farm().fetch('PATCH', `/v1/nodes/${nodeId}`, body);
    return { status: answer.status, text: await answer.text() };
  };
  const windows = [{ days: ['mon'], from: '20:00', to: '08:00' }];
  const zone = await patch({ schedule: { timezone: 'Mars/Olympus', windows } });
  expect(zone.status).toBe(400);
  expect(zone.text).toContain('expected the IANA name of a time zone');
  expect((await patch({ stop: 'maybe' })).status).toBe(400);
  expect((await patch({ prices: { gpuHour: -1 } })).text).toContain('gpuHour');
  expect((await patch({ pools: 'x' })).text).toContain('unknown field');
  const unknown = await farm().fetch('PATCH', '/v1/nodes/node-00000000000000000000', {});
  expect(unknown.status).toBe(404);
});
