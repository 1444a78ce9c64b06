import { routes } from '@karst/shared/protocol/routes.ts';
import { expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { farmForFile } from './support/farm-for-file.ts';
import { taskOf } from './support/job-state.ts';
import { Marks, noteStart, waitFor } from './support/marks.ts';
import { isAlive } from './support/processes.ts';
import { shellJob } from './support/shell-job.ts';
import { type EnvironmentShell, withEnvironments } from './support/with-environments.ts';

const farm = farmForFile({ livenessMs: 5000 });

/** Starts a program that goes on, as an application that stays loaded would. */
const application: EnvironmentShell = {
  name: 'Application',
  onEnter:
    'sleep 1000 > /dev/null 2>&1 & echo "openjd_env: APPLICATION=$!"; echo "$!" >> "$1/entered"',
  onExit: 'echo "$APPLICATION" >> "$1/exited"; kill "$APPLICATION"',
};

it('keeps an environment entered for all tasks of a step, and exits it when the agent drains', async () => {
  const marks = await Marks.make(farm());
  const agent = await farm().startAgent();
  const script = `kill -0 "$APPLICATION" && echo "$KARST_LEASE_ID $APPLICATION" >> "$1/ran"`;
  // Sessions end with their job; a step that no node can run keeps this one from being over.
  const amounts = [{ name: 'amount.worker.vcpu', min: 100_000 }];
  const steps = [
    { script, range: '0-19' },
    { name: 'Never', script: 'true', hostRequirements: { amounts } },
  ];
  await farm().submit(withEnvironments(shellJob(marks, steps), [application]));
  const ran = (await marks.written('ran', 20)).map((line) => line.split(' '));
  const [pid] = await marks.lines('entered');
  expect(await marks.lines('entered')).toHaveLength(1);
  expect(new Set(ran.map(([, application]) => application))).toEqual(new Set([pid]));
  expect(new Set(ran.map(([lease]) => lease)).size).toBeGreaterThan(1);
  expect(isAlive(Number(pid))).toBe(true);
  agent.child.signal('SIGTERM');
  await marks.written('exited');
  await eventually('the application gone', () => !isAlive(Number(pid)));
  expect(await marks.lines('exited')).toEqual([pid]);
});

it('fails a task whose environment can not be entered, and says which and why', async () => {
  const marks = await Marks.make(farm());
  await farm().startAgent();
  const broken = {
    name: 'Licence',
    onEnter: 'echo openjd_fail: no licence left; exit 9',
    onExit: 'echo left >> "$1/exited"',
  };
  const job = await farm().submit(
    withEnvironments(shellJob(marks, [{ script: 'echo ran >> "$1/ran"' }]), [broken]),
    { policy: { maxRetriesPerTask: 0 } },
  );
  await farm().jobIn(job.id, ['failed']);
  expect(await taskOf(farm(), job.id)).toMatchObject({
    state: 'failed',
    attempt: {
      failureKind: 'reported',
      failureClass: 'task',
      exitCode: 9,
      message: 'onEnter of the environment "Licence": no licence left',
    },
  });
  expect(await marks.lines('ran')).toEqual([]);
  expect(new Set(await marks.lines('exited'))).toEqual(new Set(['left']));
});

it('exits the environments of a job that is canceled', async () => {
  const marks = await Marks.make(farm());
  await farm().startAgent();
  const steps = [{ script: `${noteStart}${waitFor('never')}` }];
  const job = await farm().submit(withEnvironments(shellJob(marks, steps), [application]));
  const { pid } = await marks.started(0);
  await farm()
    .api()
    .call(routes.cancelJob, { params: { jobId: job.id } });
  await marks.written('exited');
  const [started] = await marks.lines('entered');
  await eventually('all processes gone', () => !isAlive(pid) && !isAlive(Number(started)));
});
