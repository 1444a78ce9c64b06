import { createEnrollment } from '@karst/orchestrator/access/enrollment.ts';
import { enrolledSchema, enrollmentTokenSchema } from '@karst/shared/protocol/node.ts';
import { systemRandom } from '@karst/shared/random.ts';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { call, problemIn } from './call.ts';
import { ManualClock } from './manual-clock.ts';
import { NodeIdentity } from './node-identity.ts';
import { startFarm, type TestFarm } from './test-farm.ts';

let farm: TestFarm;
let operator: string;
beforeAll(async () => {
  farm = await startFarm();
  operator = await farm.keyOf('operator');
});
afterAll(() => farm.close());

const newToken = async () => {
  const answer = await call(farm.url, 'POST', '/v1/enrollment-tokens', {
    key: operator,
    body: { ttlSeconds: 60 },
  });
  return enrollmentTokenSchema.parse(answer.body).token;
};
const enroll = (token: string, node: NodeIdentity, name = 'blade-1') =>
  call(farm.url, 'POST', '/v1/nodes', { key: token, body: { name, publicKey: node.publicKey } });

it('enrols one node, which is offline until it syncs', async () => {
  const node = await NodeIdentity.create();
  const answer = await enroll(await newToken(), node);
  expect(answer.status).toBe(201);
  const { nodeId } = enrolledSchema.parse(answer.body);
  expect(await farm.redis.hgetall(`karst:{${nodeId}}:node`)).toEqual({
    name: 'blade-1',
    publicKey: node.publicKey.x,
    enrolledAtMs: expect.stringMatching(/^\d{13}$/),
    slots: '0',
    state: 'offline',
  });
  expect(await farm.redis.sismember('karst:nodes', nodeId)).toBe(1);
});

it('answers the same node when the answer was lost and the call is repeated', async () => {
  const node = await NodeIdentity.create();
  const token = await newToken();
  const answers = await Promise.all(Array.from({ length: 6 }, () => enroll(token, node)));
  const ids = answers.map((answer) => enrolledSchema.parse(answer.body).nodeId);
  expect(new Set(ids).size).toBe(1);
});

it('refuses a token that another node used, whoever was first', async () => {
  const token = await newToken();
  const nodes = await Promise.all(Array.from({ length: 6 }, () => NodeIdentity.create()));
  const answers = await Promise.all(nodes.map((node) => enroll(token, node)));
  expect(answers.filter((answer) => answer.status === 201)).toHaveLength(1);
  const refused = answers.filter((answer) => answer.status !== 201).map(problemIn);
  expect(refused.every((problem) => problem.code === 'enrollment_token_used')).toBe(true);
});

it('refuses a token with a wrong secret or that nobody made', async () => {
  const token = await newToken();
  const wrong = token.slice(0, -1) + (token.endsWith('A') ? 'B' : 'A');
  const node = await NodeIdentity.create();
  expect(problemIn(await enroll(wrong, node)).code).toBe('unauthenticated');
  const unknown = `karst_enroll_${'0'.repeat(20)}_${'A'.repeat(43)}`;
  expect(problemIn(await enroll(unknown, node)).code).toBe('unauthenticated');
});

it('refuses a token that expired, but answers a node that had spent it before', async () => {
  const clock = new ManualClock(1_800_000_000_000);
  const enrollment = createEnrollment(farm.redis, clock, systemRandom);
  const spent = await enrollment.createToken(60);
  const unspent = await enrollment.createToken(60);
  const first = await enrollment.enroll(spent.token, 'n', 'x');
  clock.advance(60_000);
  expect(await enrollment.enroll(spent.token, 'n', 'x')).toEqual(first);
  expect(await enrollment.enroll(unspent.token, 'n', 'x')).toEqual({ kind: 'unknown' });
});

it('finishes an enrolment that was cut off after its token was spent', async () => {
  const node = await NodeIdentity.create();
  const token = await newToken();
  const { nodeId } = enrolledSchema.parse((await enroll(token, node)).body);
  await farm.redis.del(`karst:{${nodeId}}:node`);
  await farm.redis.srem('karst:nodes', nodeId);
  await enroll(token, node);
  expect(await farm.redis.hget(`karst:{${nodeId}}:node`, 'publicKey')).toBe(node.publicKey.x);
  expect(await farm.redis.sismember('karst:nodes', nodeId)).toBe(1);
});

it('refuses a public key that is none', async () => {
  const body = { name: 'n', publicKey: { kty: 'OKP', crv: 'Ed25519', x: 'short' } };
  const { errors } = problemIn(
    await call(farm.url, 'POST', '/v1/nodes', { key: await newToken(), body }),
  );
  expect(errors?.[0]).toEqual({
    path: ['body', 'publicKey', 'x'],
    message: 'found "short", expected 32 bytes as base64url',
  });
});
