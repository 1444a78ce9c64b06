import { routes } from '@karst/shared/protocol/routes.ts';
import { expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { farmForFile } from './support/farm-for-file.ts';
import { acceptedOutputs, counts, published, taskOf } from './support/job-state.ts';
import { agentName, Marks, noteStart, waitFor } from './support/marks.ts';
import { freeze, isAlive } from './support/processes.ts';
import { shellJob } from './support/shell-job.ts';
import { StudioView } from './support/studio-view.ts';

const livenessMs = 3000;
const farm = farmForFile({ livenessMs });

const writeLease = 'echo "$KARST_LEASE_ID" > "$3/frame-$2.txt"';

it('runs the frame of a killed agent elsewhere, and publishes one output', async () => {
  const marks = await Marks.make(farm());
  const first = await farm().startAgent();
  const job = await farm().submit(
    shellJob(marks, [{ script: noteStart + waitFor('go') + writeLease, writes: true }]),
    { policy: { maxRetriesPerTask: 0 } },
  );
  await marks.started(0);
  const second = await farm().startAgent();

  const killedAtMs = performance.now();
  await first.child.kill();
  const again = await marks.started(0, 2);
  process.stdout.write(
    `runs elsewhere ${Math.round(performance.now() - killedAtMs)} ms after the kill (liveness ${livenessMs} ms)\n`,
  );
  expect(again.agent).toBe(agentName(second));
  const lost = await taskOf(farm(), job.id);
  expect(lost).toMatchObject({ state: 'running', failures: 0, nodeId: second.nodeId });
  expect(lost.attempt).toMatchObject({
    outcome: 'lost',
    nodeId: first.nodeId,
    failureClass: 'node',
    epoch: 1,
  });

  await marks.open('go');
  await farm().jobIn(job.id, ['succeeded']);
  const ended = await published(farm(), job.id);
  expect(ended).toMatchObject({
    taskCounts: counts({ succeeded: 1 }),
    outputs: { accepted: 1, published: 1 },
  });
  expect(await new StudioView(farm().storage).outputs(job.id)).toEqual({
    'Render/out/frame-0.txt': `${again.leaseId}\n`,
  });
  expect(await taskOf(farm(), job.id)).toMatchObject({
    failures: 0,
    attempt: { outcome: 'succeeded', nodeId: second.nodeId, epoch: 2 },
  });
  const node = await farm()
    .api()
    .call(routes.getNode, { params: { nodeId: first.nodeId } });
  expect(node).toMatchObject({ state: 'offline', leaseCount: 0 });
});

it('refuses what a frozen agent has to say after its lease ended, and lets it kill its task', async () => {
  const marks = await Marks.make(farm());
  const frozen = await farm().startAgent({ slots: 2 });
  // Task 0 ends while its agent is frozen; task 1 still runs when it thaws.
  const go = waitFor('go-$' + '{KARST_NODE_DIR##*/}-$2');
  const job = await farm().submit(
    shellJob(marks, [
      {
        range: '0-1',
        script: `${noteStart + go + writeLease}; echo done >> "$1/done-$2"`,
        writes: true,
      },
    ]),
    { policy: { maxRetriesPerTask: 0 } },
  );
  const before = [await marks.started(0), await marks.started(1)];
  const ice = freeze(
    frozen.child.pid,
    before.map(({ pid }) => pid),
  );
  const rescuer = await farm().startAgent({ slots: 2 });
  const after = [await marks.started(0, 2), await marks.started(1, 2)];
  expect(after.map(({ agent }) => agent)).toEqual([agentName(rescuer), agentName(rescuer)]);

  await marks.open(`go-${agentName(frozen)}-0`);
  await marks.written('done-0');
  ice.thaw();
  await eventually('the frozen agent kills its task', () => !isAlive(before[1]?.pid));
  await eventually('the frozen agent wants work again', async () => {
    const { nodeId } = frozen;
    const node = await farm().api().call(routes.getNode, { params: { nodeId } });
    return node.state === 'online';
  });
  expect((await taskOf(farm(), job.id, 0)).state).toBe('running');
  expect(await acceptedOutputs(farm(), job.id)).toEqual([]);

  await marks.open(`go-${agentName(rescuer)}-0`);
  await marks.open(`go-${agentName(rescuer)}-1`);
  await farm().jobIn(job.id, ['succeeded']);
  await published(farm(), job.id);
  expect(await new StudioView(farm().storage).outputs(job.id)).toEqual({
    'Render/out/frame-0.txt': `${after[0]?.leaseId}\n`,
    'Render/out/frame-1.txt': `${after[1]?.leaseId}\n`,
  });
  for (const task of [0, 1]) {
    const { failures, attempt, outputs } = await taskOf(farm(), job.id, task);
    expect({ failures, nodeId: attempt?.nodeId }).toEqual({ failures: 0, nodeId: rescuer.nodeId });
    expect(attempt?.epoch).toBeGreaterThan(2);
    expect(outputs).toHaveLength(1);
  }
  expect(await marks.starts(0)).toHaveLength(2);
});
