import { type LeaseId, type NodeId, nodeIdSchema } from '@karst/shared/protocol/ids.ts';
import {
  type Inventory,
  type SyncRequestInput,
  syncResponseSchema,
} from '@karst/shared/protocol/node.ts';
import { routes } from '@karst/shared/protocol/routes.ts';
import { expect, it } from 'vitest';
import { NodeIdentity } from '../http/node-identity.ts';
import { eventually } from '../support/eventually.ts';
import { farmForFile } from './support/farm-for-file.ts';
import { taskIn } from './support/job-state.ts';
import { Marks, noteStart, waitFor } from './support/marks.ts';
import { type ShellStep, shellJob } from './support/shell-job.ts';

const farm = farmForFile({
  livenessMs: 3000,
  env: { KARST_RECONCILE_MS: '1000', KARST_PREEMPT_AFTER_MS: '500' },
});

const background = { priorityClass: 'background', maxRetriesPerTask: 0 } as const;
const urgent = { priorityClass: 'urgent' } as const;
const notice = { mode: 'NOTIFY_THEN_TERMINATE', notifyPeriodInSeconds: 600 } as const;
const deaf = `trap '' TERM; ${noteStart}${waitFor('go')}`;

const submit = (marks: Marks, step: ShellStep, policy: object) =>
  farm().submit(shellJob(marks, [step]), { policy });

const preemptingNodes = async () => {
  const { items } = await farm().api().call(routes.listNodes, {});
  return items.filter(({ preempting }) => preempting !== undefined);
};

/** Waits until a node, or this one, is told to end something. */
const isMarked = (nodeId?: NodeId) =>
  eventually('a lease is marked', async () =>
    (await preemptingNodes()).some(({ id }) => nodeId === undefined || id === nodeId),
  );

it('takes a lease back that its node does not give back, and charges nobody', async () => {
  const { token } = await farm().api().call(routes.createEnrollmentToken, { body: {} });
  const stubborn = await NodeIdentity.create();
  const body = { name: 'stubborn', publicKey: stubborn.publicKey };
  const answer = await farm().fetch('POST', '/v1/nodes', body, token);
  const nodeId = nodeIdSchema.parse(routes.enrollNode.response.parse(await answer.json()).nodeId);
  const boot = { bootId: crypto.randomUUID(), bootedAtMs: Date.now(), slots: 1 };
  const jwt = await stubborn.token(nodeId);
  let seq = 0;
  const sync = async (
    call: Pick<SyncRequestInput, 'wanted' | 'held'> & Partial<SyncRequestInput>,
  ) => {
    seq += 1;
    const request = { ...boot, seq, ...call };
    const told = await farm().fetch('POST', `/v1/nodes/${nodeId}/sync`, request, jwt);
    return syncResponseSchema.parse(await told.json());
  };
  const inventory: Inventory = {
    hostname: 'stubborn',
    agentVersion: '0',
    os: 'linux',
    arch: 'x86_64',
    cpuCount: 1,
    cpuModel: 'none',
    memoryMib: 1024,
    scratchMib: 1024,
    gpus: [],
    software: {},
    tags: [],
    amounts: {},
    attributes: {},
    latencyMs: {},
  };
  const marks = await Marks.make(farm());
  const long = await submit(marks, { script: deaf }, { ...background, preemptGraceSeconds: 0 });
  const { grants } = await sync({ wanted: 1, held: [], inventory, waitMs: 500 });
  const held = grants.map(({ leaseId }) => leaseId);
  expect(held).toHaveLength(1);

  const hurry = await submit(await Marks.make(farm()), { script: 'true' }, urgent);
  const lost: LeaseId[] = [];
  let orders = 0;
  await eventually('the lease is lost', async () => {
    const told = await sync({ wanted: 0, held });
    orders += told.preempt?.length ?? 0;
    lost.push(...told.lost);
    return lost.length > 0;
  });
  // Told as long as it does not say that it heard.
  expect(orders).toBeGreaterThan(1);
  expect(lost).toContain(held[0]);
  expect(await taskIn(farm(), long.id, 'waiting')).toMatchObject({
    failures: 0,
    attempt: { outcome: 'preempted', message: expect.stringContaining('not given back in time') },
  });
  // The room is for the urgent task alone.
  const next = await sync({ wanted: 1, held: [], waitMs: 500 });
  expect(next.grants.map(({ jobId }) => jobId)).toEqual([hurry.id]);
  for (const { id } of [long, hurry]) {
    await farm()
      .api()
      .call(routes.cancelJob, { params: { jobId: id } });
  }
});

it('makes room elsewhere when the node dies in the grace', async () => {
  const marks = await Marks.make(farm());
  const dying = await farm().startAgent();
  const step = { script: deaf, cancelation: notice, range: '0-1' };
  const long = await submit(marks, step, { ...background, preemptGraceSeconds: 600 });
  await marks.started(0);
  const now = await Marks.make(farm());
  const hurry = await submit(now, { script: noteStart }, urgent);
  await isMarked();
  await dying.child.kill();
  await farm().startAgent();
  await farm().jobIn(hurry.id, ['succeeded']);
  await marks.open('go');
  await farm().jobIn(long.id, ['succeeded']);
});

it('keeps no room for a job that was canceled meanwhile', async () => {
  const marks = await Marks.make(farm());
  const { nodeId } = await farm().startAgent();
  const step = { script: deaf, cancelation: notice };
  const long = await submit(marks, step, { ...background, preemptGraceSeconds: 1 });
  await marks.started(0);
  const hurry = await submit(await Marks.make(farm()), { script: noteStart }, urgent);
  await isMarked(nodeId);
  await farm()
    .api()
    .call(routes.cancelJob, { params: { jobId: hurry.id } });
  // It ends all the same, and its own room is free for it again.
  await marks.started(0, 2);
  await eventually('no room is kept', async () => (await preemptingNodes()).length === 0);
  await marks.open('go');
  await farm().jobIn(long.id, ['succeeded']);
});
