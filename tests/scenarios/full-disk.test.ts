import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { routes } from '@karst/shared/protocol/routes.ts';
import { expect, it, onTestFinished } from 'vitest';
import { eventually } from '../support/eventually.ts';
import type { FarmAgent } from '../support/farm.ts';
import { farmForFile } from './support/farm-for-file.ts';
import { counts, taskOf } from './support/job-state.ts';
import { agentName, Marks, noteStart } from './support/marks.ts';
import { shellJob } from './support/shell-job.ts';

const farm = farmForFile({ livenessMs: 5000 });
const run = promisify(execFile);

/** An agent's directory on a file system of its own. */
async function smallDisk(sizeMib: number): Promise<string> {
  const dir = await mkdtemp(join(farm().dir, 'small-disk-'));
  try {
    await run('mount', ['-t', 'tmpfs', '-o', `size=${sizeMib}m`, 'karst-test', dir]);
  } catch (cause) {
    throw new Error('this test mounts a small tmpfs: run it as root (CAP_SYS_ADMIN)', { cause });
  }
  onTestFinished(async () => {
    await run('umount', ['-l', dir]);
  });
  return dir;
}

const nodeOf = ({ nodeId }: FarmAgent) => farm().api().call(routes.getNode, { params: { nodeId } });

it('fails a task on a full disk as the node’s fault, and lets another node finish it', async () => {
  const marks = await Marks.make(farm());
  const small = await farm().startAgent({
    dir: await smallDisk(32),
    env: { KARST_DISK_MIN_MIB: '8' },
  });
  // Ballast beside the session stays behind, as other people's files on a node's disk would.
  const fill = 'dd if=/dev/zero of="$KARST_NODE_DIR/ballast" bs=1M count=48 2>&1';
  const job = await farm().submit(
    shellJob(marks, [{ script: `${noteStart}${fill} && echo done > "$3/done.txt"`, writes: true }]),
    { policy: { maxRetriesPerTask: 0 } },
  );
  const failed = await eventually('the attempt fails', async () => {
    const task = await taskOf(farm(), job.id);
    return task.attempt === undefined ? undefined : task;
  });
  expect(failed).toMatchObject({
    state: 'waiting',
    failures: 0,
    attempt: { outcome: 'failed', failureKind: 'disk_full', failureClass: 'node' },
  });
  const full = await eventually('the node says why it takes no work', async () => {
    const node = await nodeOf(small);
    return node.message === undefined ? undefined : node;
  });
  expect(full).toMatchObject({ state: 'online', message: expect.stringContaining('disk full') });

  const big = await farm().startAgent();
  const ended = await farm().jobIn(job.id, ['succeeded', 'failed']);
  expect(ended).toMatchObject({ state: 'succeeded', taskCounts: counts({ succeeded: 1 }) });
  const starts = await marks.starts(0);
  expect(starts.map(({ agent }) => agent)).toEqual([agentName(small), agentName(big)]);
  expect((await taskOf(farm(), job.id)).failures).toBe(0);

  await big.child.kill();
  await rm(join(small.dir, 'ballast'));
  const next = await farm().submit(shellJob(marks, [{ script: 'true' }]));
  await farm().jobIn(next.id, ['succeeded']);
  expect((await taskOf(farm(), next.id)).nodeId).toBe(small.nodeId);
  expect((await nodeOf(small)).message).toBeUndefined();
});
