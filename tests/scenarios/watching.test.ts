import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type FarmEvent, farmEventSchema } from '@karst/shared/protocol/event.ts';
import type { JobId } from '@karst/shared/protocol/ids.ts';
import { routes } from '@karst/shared/protocol/routes.ts';
import { expect, it } from 'vitest';
import { openEvents, type StreamedEvent } from '../http/event-reader.ts';
import { farmForFile } from './support/farm-for-file.ts';
import { counts } from './support/job-state.ts';
import { Marks, noteStart, waitFor } from './support/marks.ts';
import { shellJob } from './support/shell-job.ts';

const farm = farmForFile({ livenessMs: 5000 });
const adminKey = async () => (await readFile(join(farm().dir, 'admin.key'), 'utf8')).trim();
const open = async (options: { jobId?: string; lastEventId?: string } = {}) =>
  await openEvents(farm().urls[0] ?? '', await adminKey(), options);

const parsed = (event: StreamedEvent): FarmEvent => farmEventSchema.parse(event.data);
const isEnd = (event: StreamedEvent, jobId: JobId) => {
  const of = parsed(event);
  return of.type === 'job' && of.jobId === jobId && of.state === 'succeeded';
};

/** Reads to the job's end, hanging up after every `everyN` events and resuming behind the last. */
async function watchInPieces(jobId: JobId, lastEventId: string, everyN: number) {
  const seen: StreamedEvent[] = [];
  let connections = 0;
  for (let last = lastEventId; ; last = seen.at(-1)?.id ?? last) {
    connections += 1;
    await using events = await open({ lastEventId: last });
    for (let n = 0; n < everyN; n++) {
      const event = await events.next();
      seen.push(event);
      if (isEnd(event, jobId)) return { seen, connections };
    }
  }
}

it('tells a watcher who reconnects all the time the same as one who never does', async () => {
  const marks = await Marks.make(farm());
  await farm().startAgent({ slots: 2 });
  await using before = await open();
  const first = await farm().submit(shellJob(marks, [{ script: 'true' }]));
  const start = await before.next();

  await using steady = await open({ lastEventId: start.id });
  const job = await farm().submit(
    shellJob(marks, [
      { range: '0-9', script: 'sleep 0.1' },
      { name: 'After', dependsOn: ['Render'], script: 'true' },
    ]),
  );
  const pieces = watchInPieces(job.id, start.id, 3);
  const seen: StreamedEvent[] = [];
  do seen.push(await steady.next());
  while (!isEnd(seen.at(-1) ?? start, job.id));
  const inPieces = await pieces;
  expect(inPieces.connections).toBeGreaterThan(3);
  expect(inPieces.seen).toEqual(seen);
  expect(new Set(seen.map(({ id }) => id)).size).toBe(seen.length);

  const own = seen.map(parsed).filter((event) => event.type !== 'reset');
  expect(new Set(own.map(({ jobId }) => jobId))).toEqual(new Set([first.id, job.id]));
  const states = own.flatMap((event) =>
    event.type === 'job' && event.jobId === job.id ? [event.state] : [],
  );
  // Started at once, a job may have left its first state before that was told.
  expect([...new Set(['pending', ...states])]).toEqual(['pending', 'running', 'succeeded']);
  const end = own.at(-1);
  expect(end).toMatchObject({ type: 'job', taskCounts: counts({ succeeded: 11 }) });
  for (const state of ['running', 'succeeded'] as const) {
    const told = own.flatMap((event) =>
      event.type === 'tasks' && event.jobId === job.id && event.state === state
        ? Array.from({ length: event.last - event.first + 1 }, (_, i) => {
            return `${event.step} ${event.first + i}`;
          })
        : [],
    );
    expect(new Set(told).size, state).toBe(11);
  }
});

it('tells how far a task is, and shows what it prints, while it runs', async () => {
  const marks = await Marks.make(farm());
  await farm().startAgent();
  const job = await farm().submit(
    shellJob(marks, [
      {
        script: `${noteStart}echo "openjd_status: halfway"; echo "openjd_progress: 50"; ${waitFor('go')}echo the end`,
      },
    ]),
  );
  await using events = await open({ jobId: job.id });
  await marks.started(0);
  const params = { jobId: job.id, step: 'Render', task: 0 };
  const log = await farm()
    .api()
    .stream(routes.getTaskLog, { params, query: { follow: 'true' } });
  let text = '';
  log.setEncoding('utf8').on('data', (piece: string) => {
    text += piece;
  });
  for (;;) {
    const event = parsed(await events.next());
    if (event.type !== 'progress' || event.percent === undefined) continue;
    expect(event).toMatchObject({ jobId: job.id, step: 'Render', task: 0, percent: 50 });
    expect(event.status).toBe('halfway');
    break;
  }
  const task = await farm().api().call(routes.getTask, { params });
  expect(task).toMatchObject({ state: 'running', progress: 50, status: 'halfway' });
  await expect.poll(() => text, { timeout: 10_000 }).toContain('openjd_progress: 50');
  const ended = new Promise((resolve) => log.once('end', resolve));
  await marks.open('go');
  await ended;
  expect(text).toBe('openjd_status: halfway\nopenjd_progress: 50\nthe end\n');
});
