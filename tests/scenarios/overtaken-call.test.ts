import { keys } from '@karst/orchestrator/store/keys.ts';
import type { SyncRequestInput } from '@karst/shared/protocol/node.ts';
import { routes } from '@karst/shared/protocol/routes.ts';
import { systemRandom } from '@karst/shared/random.ts';
import { Redis } from 'ioredis';
import { expect, it } from 'vitest';
import { NodeIdentity } from '../http/node-identity.ts';
import { eventually } from '../support/eventually.ts';
import { farmForFile } from './support/farm-for-file.ts';
import { counts } from './support/job-state.ts';

const farm = farmForFile({ livenessMs: 20_000 });

/** A node that speaks for itself, call by call. */
async function node() {
  const identity = await NodeIdentity.create();
  const { token } = await farm().api().call(routes.createEnrollmentToken, { body: {} });
  const body = { name: 'by-hand', publicKey: identity.publicKey };
  const enrolled = await (await farm().fetch('POST', '/v1/nodes', body, token)).json();
  const { nodeId } = routes.enrollNode.response.parse(enrolled);
  const own = await identity.token(nodeId);
  const boot = { bootId: systemRandom.uuid(), bootedAtMs: Date.now(), slots: 2 };
  let seq = 0;
  const sync = async (said: Omit<SyncRequestInput, 'seq' | keyof typeof boot>) => {
    seq += 1;
    const answer = await farm().fetch(
      'POST',
      `/v1/nodes/${nodeId}/sync`,
      { ...boot, seq, ...said },
      own,
    );
    return routes.syncNode.response.parse(await answer.json());
  };
  const lastSeq = async () => {
    const redis = new Redis(farm().redis.url);
    const text = await redis.hget(keys.node(nodeId), 'seq');
    redis.disconnect();
    return Number(text);
  };
  return { sync, lastSeq };
}

it('grants what a node gives back to no call that it had sent before', async () => {
  const { sync, lastSeq } = await node();
  await sync({ wanted: 0, held: [] });
  const steps = [{ name: 'Render', script: { actions: { onRun: { command: 'true' } } } }];
  const template = { specificationVersion: 'jobtemplate-2023-09', name: 'one task', steps };
  const job = await farm().submit(JSON.stringify(template));
  const { grants } = await sync({ wanted: 2, held: [], waitMs: 5000 });
  const [grant] = grants;
  if (grant === undefined) throw new Error('no task was granted');
  const { leaseId, jobId, step, spanId, epoch } = grant;

  const waiting = sync({ wanted: 1, held: [leaseId], waitMs: 6000 });
  await eventually('the call has come in', async () => (await lastSeq()) === 3);
  const message = 'the node is draining';
  const returned = { outcome: 'returned', first: 0, last: 0, message } as const;
  const report = { leaseId, jobId, step, spanId, epoch, results: [returned] };
  const told = await sync({ wanted: 0, held: [leaseId], reports: [report], draining: true });
  expect(told).toMatchObject({ grants: [], reports: [{ leaseId, status: 'accepted' }] });
  expect(await waiting).toMatchObject({ grants: [] });
  // A call that stays for a second: what the farm would still do for the former is done by then.
  expect(await sync({ wanted: 0, held: [], waitMs: 1000 })).toMatchObject({ grants: [] });
  expect((await farm().readJob(job.id)).taskCounts).toEqual(counts({ waiting: 1 }));
});
