import { routes } from '@karst/shared/protocol/routes.ts';
import { expect, it } from 'vitest';
import { farmForFile } from './support/farm-for-file.ts';
import { countedTasks, counts, taskOf } from './support/job-state.ts';
import { Marks, noteStart } from './support/marks.ts';
import { shellJob } from './support/shell-job.ts';

const farm = farmForFile({ livenessMs: 5000 });

it('retries a frame that exits with 1, each time later, then fails it and what depends on it', async () => {
  const marks = await Marks.make(farm());
  await farm().startAgent();
  const job = await farm().submit(
    shellJob(marks, [
      { script: `date +%s%N >> "$1/times"; ${noteStart}echo no light; exit 1` },
      { name: 'Comp', dependsOn: ['Render'], script: noteStart, range: '0-2' },
      { name: 'Encode', dependsOn: ['Comp'], script: noteStart },
      { name: 'Aside', script: 'true' },
    ]),
    { policy: { maxRetriesPerTask: 2 } },
  );
  const ended = await farm().jobIn(job.id, ['failed']);
  expect(ended.taskCounts).toEqual(counts({ succeeded: 1, failed: 1, canceled: 4 }));
  expect(await countedTasks(farm(), job.id, ['Render', 'Comp', 'Encode', 'Aside'])).toEqual(
    ended.taskCounts,
  );
  const steps = await farm()
    .api()
    .call(routes.listSteps, { params: { jobId: job.id } });
  const states = Object.fromEntries(steps.items.map(({ name, state }) => [name, state]));
  expect(states).toEqual({
    Render: 'failed',
    Comp: 'canceled',
    Encode: 'canceled',
    Aside: 'succeeded',
  });
  expect(await taskOf(farm(), job.id)).toMatchObject({
    state: 'failed',
    failures: 3,
    attempt: {
      outcome: 'failed',
      exitCode: 1,
      failureKind: 'exit',
      failureClass: 'task',
      message: 'exited with code 1',
    },
  });
  const times = (await marks.lines('times')).map((text) => Number(BigInt(text) / 1_000_000n));
  expect(times).toHaveLength(3);
  const [first = 0, second = 0, third = 0] = times;
  expect(second - first).toBeGreaterThan(950);
  expect(third - second).toBeGreaterThan(1950);
  const log = await farm().fetch('GET', `/v1/jobs/${job.id}/steps/Render/tasks/0/log`);
  expect(await log.text()).toBe('no light\n');
});

it('lets a frame that fails once succeed on its retry', async () => {
  const marks = await Marks.make(farm());
  await farm().startAgent();
  const script = 'if [ -e "$1/tried" ]; then exit 0; fi; : > "$1/tried"; exit 9';
  const job = await farm().submit(shellJob(marks, [{ script }]));
  const ended = await farm().jobIn(job.id, ['succeeded', 'failed']);
  expect(ended).toMatchObject({ state: 'succeeded', taskCounts: counts({ succeeded: 1 }) });
  expect(await taskOf(farm(), job.id)).toMatchObject({
    failures: 1,
    attempt: { outcome: 'succeeded' },
  });
});

it('tells a signal, a timeout, a missing output and a missing program apart', async () => {
  const marks = await Marks.make(farm());
  await farm().startAgent({ slots: 2 });
  const template = JSON.parse(
    shellJob(marks, [
      { name: 'Signal', script: 'kill -SEGV $$' },
      { name: 'Hang', script: 'sleep 3600', timeoutSeconds: 1 },
      { name: 'Empty', script: ': "$3"', writes: true },
      { name: 'Says', script: 'echo "openjd_fail: the scene has no camera"; exit 4' },
    ]),
  );
  template.steps.push({
    name: 'Absent',
    script: { actions: { onRun: { command: 'no-such-renderer' } } },
  });
  const job = await farm().submit(JSON.stringify(template), { policy: { maxRetriesPerTask: 0 } });
  const ended = await farm().jobIn(job.id, ['failed']);
  expect(ended.taskCounts).toEqual(counts({ failed: 5 }));
  const attempts = await Promise.all(
    ['Signal', 'Hang', 'Empty', 'Says', 'Absent'].map(async (step) => {
      const { failures, attempt } = await taskOf(farm(), job.id, 0, step);
      expect({ failures, fault: attempt?.failureClass }).toEqual({ failures: 1, fault: 'task' });
      return attempt;
    }),
  );
  expect(attempts).toMatchObject([
    { failureKind: 'signal', signal: 'SIGSEGV' },
    { failureKind: 'timeout', message: expect.stringContaining('1 s') },
    { failureKind: 'outputs', message: expect.stringContaining('wrote no output') },
    { failureKind: 'reported', exitCode: 4, message: 'the scene has no camera' },
    { failureKind: 'command', message: expect.stringContaining('no-such-renderer') },
  ]);
});

it('cancels the rest of a job once more tasks failed than it may have', async () => {
  const marks = await Marks.make(farm());
  await farm().startAgent();
  const job = await farm().submit(
    shellJob(marks, [
      { range: '0-19', script: `${noteStart}exit 1` },
      { name: 'Aside', range: '0-9', script: 'sleep 0.05' },
      { name: 'After', dependsOn: ['Aside'], script: 'true' },
    ]),
    { policy: { maxRetriesPerTask: 0, maxFailedTasks: 2 } },
  );
  const ended = await farm().jobIn(job.id, ['failed']);
  expect(ended.message).toContain('maxFailedTasks (2)');
  expect(ended.taskCounts.failed).toBe(3);
  expect(ended.taskCounts.running + ended.taskCounts.waiting).toBe(0);
  expect(await countedTasks(farm(), job.id, ['Render', 'Aside', 'After'])).toEqual(
    ended.taskCounts,
  );
});
