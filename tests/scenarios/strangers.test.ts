import { mkdtemp, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { problemSchema } from '@karst/shared/protocol/problem.ts';
import { routes } from '@karst/shared/protocol/routes.ts';
import { expect, it } from 'vitest';
import { NodeIdentity } from '../http/node-identity.ts';
import { Child } from '../support/child.ts';
import { farmForFile } from './support/farm-for-file.ts';
import { Marks, noteStart, waitFor } from './support/marks.ts';
import { shellJob } from './support/shell-job.ts';

const farm = farmForFile({ livenessMs: 5000 });
const agentMain = fileURLToPath(new URL('../../worker-agent/main.ts', import.meta.url));

const newToken = async () =>
  (await farm().api().call(routes.createEnrollmentToken, { body: {} })).token;

async function enroll(node: NodeIdentity, token: string) {
  const body = { name: 'stranger', publicKey: node.publicKey };
  return await farm().fetch('POST', '/v1/nodes', body, token);
}

it('takes an enrolment token for one node only, however often that one asks', async () => {
  const token = await newToken();
  const [own, other] = [await NodeIdentity.create(), await NodeIdentity.create()];
  const first = routes.enrollNode.response.parse(await (await enroll(own, token)).json());
  const again = routes.enrollNode.response.parse(await (await enroll(own, token)).json());
  expect(again).toEqual(first);
  const refused = problemSchema.parse(await (await enroll(other, token)).json());
  expect(refused).toMatchObject({ status: 409, code: 'enrollment_token_used' });
  const { items } = await farm().api().call(routes.listNodes, {});
  expect(items.filter(({ name }) => name === 'stranger')).toHaveLength(1);
});

it('ends an agent whose token another node has used, and says why', async () => {
  const token = await newToken();
  await enroll(await NodeIdentity.create(), token);
  const dir = await mkdtemp(join(farm().dir, 'second-'));
  const child = new Child('agent', process.execPath, [agentMain], {
    PATH: process.env.PATH,
    KARST_URL: farm().urls[0],
    KARST_AGENT_DIR: dir,
    KARST_ENROLLMENT_TOKEN: token,
  });
  expect(await child.exit()).toBe(4);
  expect(child.stderr).toMatch(/token has been used|another node/i);
});

it('answers 401 to a wrong key, without a hint at what is wrong with it', async () => {
  const admin = (await readFile(join(farm().dir, 'admin.key'), 'utf8')).trim();
  const wrong = admin.replace(/.$/, (last) => (last === 'A' ? 'B' : 'A'));
  const unknown = `karst_${'0'.repeat(20)}_${'A'.repeat(43)}`;
  const answers = await Promise.all(
    [wrong, unknown, 'nonsense'].map(async (key) => {
      const answer = await farm().fetch('GET', '/v1/jobs', undefined, key);
      const { status, code, detail } = problemSchema.parse(await answer.json());
      return { status, code, detail };
    }),
  );
  for (const answer of answers) {
    expect(answer).toEqual({ ...answers[0], status: 401, code: 'unauthenticated' });
  }
});

it("refuses a node that speaks of another node's lease", async () => {
  const marks = await Marks.make(farm());
  const agent = await farm().startAgent();
  const script = `${noteStart + waitFor('go')}echo honest > "$3/frame.txt"`;
  const job = await farm().submit(shellJob(marks, [{ script, writes: true }]));
  const { leaseId } = await marks.started(0);

  const thief = await NodeIdentity.create();
  const enrolled = await (await enroll(thief, await newToken())).json();
  const { nodeId } = routes.enrollNode.response.parse(enrolled);
  const token = await thief.token(nodeId);
  const problemOf = async (method: string, path: string, body?: unknown) =>
    problemSchema.parse(await (await farm().fetch(method, path, body, token)).json());

  const own = `/v1/nodes/${nodeId}/leases/${leaseId}`;
  const file = { task: 0, kind: 'output', path: 'out/frame.txt', sha256: '0'.repeat(64) };
  const upload = { files: [{ ...file, sizeBytes: 1 }] };
  for (const [method, path, body] of [
    ['GET', `${own}/definition`],
    ['GET', `${own}/inputs`],
    ['POST', `${own}/uploads`, upload],
    ['POST', `${own}/logs`, { task: 0, text: 'lies' }],
  ] as const) {
    expect(await problemOf(method, path, body)).toMatchObject({ status: 409, code: 'lease_lost' });
  }
  const foreign = `/v1/nodes/${agent.nodeId}`;
  expect(await problemOf('GET', `${foreign}/leases/${leaseId}/definition`)).toMatchObject({
    status: 403,
  });

  const now = Date.now();
  const times = { first: 0, last: 0, startedAtMs: now, endedAtMs: now };
  const report = { leaseId, jobId: job.id, step: 0, spanId: 1, epoch: 1 };
  const call = {
    bootId: '7b0ad4b6-3b3c-4c39-9c5e-0f3ad1d6a0a1',
    bootedAtMs: now,
    seq: 1,
    slots: 1,
    wanted: 0,
    held: [leaseId],
    reports: [{ ...report, results: [{ outcome: 'succeeded', ...times }] }],
  };
  const answer = await farm().fetch('POST', `/v1/nodes/${nodeId}/sync`, call, token);
  const synced = routes.syncNode.response.parse(await answer.json());
  expect(synced.reports).toMatchObject([{ leaseId, status: 'lost' }]);
  expect(synced.lost).toContain(leaseId);
  expect((await farm().readJob(job.id)).taskCounts.running).toBe(1);

  await marks.open('go');
  await farm().jobIn(job.id, ['succeeded']);
});
