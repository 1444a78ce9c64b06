import type { JobId } from '@karst/shared/protocol/ids.ts';
import { routes } from '@karst/shared/protocol/routes.ts';
import { expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { farmForFile } from './support/farm-for-file.ts';
import { counts, published, taskOf } from './support/job-state.ts';
import { agentName, Marks, noteStart, type Start } from './support/marks.ts';
import { freeze, isAlive } from './support/processes.ts';
import { shellJob } from './support/shell-job.ts';
import { StudioView } from './support/studio-view.ts';

const farm = farmForFile({ env: { KARST_SLOW_TASK_MS: '500', KARST_SPAN_TARGET_MS: '100' } });

/** The task in question waits until its agent may go on; its siblings don't. */
const SLOW = 3;
const waitsHere = 'until [ -e "$1/go-$' + '{KARST_NODE_DIR##*/}" ]; do sleep 0.05; done; ';
const script =
  `${noteStart}if [ "$2" = ${SLOW} ]; then ${waitsHere}fi; ` +
  'echo "$KARST_LEASE_ID" > "$3/frame-$2.txt"; echo done >> "$1/done-$2"';
const slowJob = (marks: Marks) => shellJob(marks, [{ script, range: '0-7', writes: true }]);
const goOn = (marks: Marks, { agent }: Start) => marks.open(`go-${agent}`);

/** A job of which one task runs on two nodes. */
async function runTwice() {
  const marks = await Marks.make(farm());
  const agents = [await farm().startAgent(), await farm().startAgent()];
  const job = await farm().submit(slowJob(marks), {
    policy: { rerunSlowTasks: true, maxRetriesPerTask: 0 },
  });
  await marks.started(SLOW, 2);
  const [first, second] = await marks.starts(SLOW);
  if (first === undefined || second === undefined) throw new Error('it started twice');
  const agentOf = (start: Start) => {
    const agent = agents.find((each) => agentName(each) === start.agent);
    if (agent === undefined) throw new Error('it runs on one of the agents');
    return agent;
  };
  return { marks, job, first, second, firstAgent: agentOf(first), secondAgent: agentOf(second) };
}

/** Counted once, however often it runs; its siblings end. */
async function expectOnlyRunning(jobId: JobId): Promise<void> {
  const { taskCounts } = await eventually('the end of its siblings', async () => {
    const job = await farm().readJob(jobId);
    return job.taskCounts.succeeded === 7 ? job : undefined;
  });
  expect(taskCounts).toEqual(counts({ running: 1, succeeded: 7 }));
}

/** The job is done, each frame is there once, and the slow one is from the start given. */
async function expectDone(jobId: JobId, marks: Marks, winner: Start): Promise<void> {
  const ended = await farm().jobIn(jobId, ['succeeded', 'failed']);
  expect(ended.taskCounts).toEqual(counts({ succeeded: 8 }));
  expect((await published(farm(), jobId)).outputs).toEqual({ accepted: 8, published: 8 });
  const outputs = await new StudioView(farm().storage).outputs(jobId);
  expect(Object.keys(outputs)).toHaveLength(8);
  expect(outputs[`Render/out/frame-${SLOW}.txt`]).toBe(`${winner.leaseId}\n`);
  expect(await marks.starts(SLOW)).toHaveLength(2);
}

// First: nodes of former tests would count while they are not yet known to be gone.
it('makes no rerun that no other node could run', async () => {
  const marks = await Marks.make(farm());
  await farm().startAgent({ slots: 2 });
  const job = await farm().submit(slowJob(marks), { policy: { rerunSlowTasks: true } });
  await eventually('a slow task', async () =>
    (await taskOf(farm(), job.id, SLOW)).flags?.includes('slow'),
  );
  const told = () => farm().replicas[0]?.stderr.includes(`"job":"${job.id}","step":0,"task":3`);
  await eventually('word of it', async () => told());
  expect((await taskOf(farm(), job.id, SLOW)).rerun).toBeUndefined();
  await goOn(marks, await marks.started(SLOW));
  await farm().jobIn(job.id, ['succeeded']);
  expect(await marks.starts(SLOW)).toHaveLength(1);
  expect(farm().replicas[0]?.stderr).not.toMatch(new RegExp(`${job.id}.*run again elsewhere`));
});

it('runs a slow task again on another node once the job wants it, and takes the first result', async () => {
  const marks = await Marks.make(farm());
  const agents = [await farm().startAgent(), await farm().startAgent()];
  const job = await farm().submit(slowJob(marks));
  await eventually('a slow task', async () =>
    (await taskOf(farm(), job.id, SLOW)).flags?.includes('slow'),
  );
  expect((await taskOf(farm(), job.id, SLOW)).rerun).toBeUndefined();
  const change = { params: { jobId: job.id }, body: { rerunSlowTasks: true } };
  expect((await farm().api().call(routes.setJob, change)).policy.rerunSlowTasks).toBe(true);
  const second = await marks.started(SLOW, 2);
  const [first] = await marks.starts(SLOW);
  expect(new Set([first?.agent, second.agent])).toEqual(new Set(agents.map(agentName)));
  const [before, after] = [first, second].map(
    (start) => agents.find((each) => agentName(each) === start?.agent)?.nodeId,
  );
  const task = await taskOf(farm(), job.id, SLOW);
  expect(task).toMatchObject({ state: 'running', nodeId: before, rerun: { nodeId: after } });
  await expectOnlyRunning(job.id);

  await goOn(marks, second);
  await expectDone(job.id, marks, second);
  await eventually('the end of the first process', async () => !isAlive(first?.pid));
  expect(await marks.lines(`done-${SLOW}`)).toHaveLength(1);
  const ended = await taskOf(farm(), job.id, SLOW);
  expect(ended).toMatchObject({ failures: 0, attempt: { outcome: 'succeeded', nodeId: after } });
  expect(ended.rerun).toBeUndefined();
});

it('takes the first run’s result if that is sooner, and ends the second', async () => {
  const { marks, job, first, second } = await runTwice();
  await goOn(marks, first);
  await expectDone(job.id, marks, first);
  await eventually('the end of the second process', async () => !isAlive(second.pid));
});

it('refuses the result of a frozen agent that comes after the rerun’s', async () => {
  const { marks, job, first, second, firstAgent } = await runTwice();
  const ice = freeze(firstAgent.child.pid, [first.pid]);
  await goOn(marks, first);
  await marks.written(`done-${SLOW}`);
  await goOn(marks, second);
  await expectDone(job.id, marks, second);
  ice.thaw();
  const params = { nodeId: firstAgent.nodeId };
  await eventually('no lease there', async () => {
    const node = await farm().api().call(routes.getNode, { params });
    return node.state === 'online' && node.leaseCount === 0;
  });
  await expectDone(job.id, marks, second);
});

it('goes on with the rerun where the first run’s node dies, and starts nothing anew', async () => {
  const { marks, job, second, firstAgent, secondAgent } = await runTwice();
  await firstAgent.child.kill();
  await eventually('one run left', async () => {
    const { nodeId, rerun } = await taskOf(farm(), job.id, SLOW);
    return nodeId === secondAgent.nodeId && rerun === undefined;
  });
  await expectOnlyRunning(job.id);
  await goOn(marks, second);
  await expectDone(job.id, marks, second);
});

it('runs a silent task again that has no siblings', async () => {
  const marks = await Marks.make(farm());
  await farm().startAgent();
  const silent = `${noteStart}[ -e "$1/tried" ] && exit 0; : > "$1/tried"; sleep 3600`;
  const job = await farm().submit(shellJob(marks, [{ script: silent }]), {
    policy: { silentSeconds: 1, rerunSlowTasks: true, maxRetriesPerTask: 0 },
  });
  const first = await marks.started(0);
  const other = await farm().startAgent();
  const ended = await farm().jobIn(job.id, ['succeeded', 'failed']);
  expect(ended.taskCounts).toEqual(counts({ succeeded: 1 }));
  expect((await marks.starts(0)).map(({ agent }) => agent)).toEqual([
    first.agent,
    agentName(other),
  ]);
  await eventually('the end of the silent process', async () => !isAlive(first.pid));
});
