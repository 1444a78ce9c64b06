import { createEnrollment } from '@karst/orchestrator/access/enrollment.ts';
import { createNodeTokens, type NodeTokens } from '@karst/orchestrator/access/node-tokens.ts';
import { systemClock } from '@karst/shared/clock.ts';
import { systemRandom } from '@karst/shared/random.ts';
import type { Redis } from 'ioredis';
import { SignJWT, UnsecuredJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ManualClock } from './manual-clock.ts';
import { NodeIdentity } from './node-identity.ts';
import { RedisProcess } from './redis-process.ts';

let redisProcess: RedisProcess;
let redis: Redis;
let node: NodeIdentity;
let nodeId: string;
let tokens: NodeTokens;
const clock = new ManualClock(Math.floor(Date.now() / 1000) * 1000);

beforeAll(async () => {
  redisProcess = await RedisProcess.start();
  redis = redisProcess.client();
  node = await NodeIdentity.create();
  nodeId = await enroll(node);
  tokens = createNodeTokens(redis, clock);
});
afterAll(() => redisProcess.stop());

async function enroll(identity: NodeIdentity): Promise<string> {
  const enrollment = createEnrollment(redis, systemClock, systemRandom);
  const { token } = await enrollment.createToken(60);
  const result = await enrollment.enroll(token, 'n', identity.publicKey.x);
  if (result.kind !== 'enrolled') throw new Error(result.kind);
  return result.nodeId;
}
const accepted = async (token: string) => (await tokens.verify(token)).ok;

describe('a node token', () => {
  it('is accepted when the node signed it, and without a second look from then on', async () => {
    const token = await node.token(nodeId);
    expect(tokens.verify(token)).toBeInstanceOf(Promise);
    expect(await tokens.verify(token)).toEqual({ ok: true, nodeId });
    expect(tokens.verify(token)).toEqual({ ok: true, nodeId });
  });

  it('is accepted from a clock that is a little wrong', async () => {
    expect(await accepted(await node.token(nodeId, { issuedIn: 50 }))).toBe(true);
    expect(await accepted(await node.token(nodeId, { issuedIn: -650 }))).toBe(true);
  });

  it.each([
    ['expired', { issuedIn: -3600 }],
    ['issued in the future', { issuedIn: 300, lifetimeSeconds: 60 }],
    ['meant for somebody else', { aud: 'another-farm' }],
    ['living longer than ten minutes', { lifetimeSeconds: 601 }],
    ['for a node that is not enrolled', { sub: 'node-00000000000000000000' }],
    ['for something that is no node', { sub: 'admin' }],
  ])('is refused when %s', async (_what, claims) => {
    expect(await accepted(await node.token(nodeId, claims))).toBe(false);
  });

  it('is refused when another node signed it', async () => {
    const other = await NodeIdentity.create();
    await enroll(other);
    expect(await accepted(await other.token(nodeId))).toBe(false);
  });

  it('is refused when it is not signed, or signed with the public key as a shared secret', async () => {
    const claims = { sub: nodeId, aud: 'karst' };
    const unsigned = new UnsecuredJWT(claims).setIssuedAt().setExpirationTime('5m').encode();
    expect(await accepted(unsigned)).toBe(false);
    const confused = await new SignJWT(claims)
      .setProtectedHeader({ alg: 'HS256' })
      .setIssuedAt()
      .setExpirationTime('5m')
      .sign(Buffer.from(node.publicKey.x, 'base64url'));
    expect(await accepted(confused)).toBe(false);
  });

  it('is refused when it was changed', async () => {
    const [head, , signature] = (await node.token(nodeId)).split('.');
    const [, payload] = (await node.token(nodeId, { lifetimeSeconds: 599 })).split('.');
    expect(await accepted(`${head}.${payload}.${signature}`)).toBe(false);
    expect(await accepted('a.b.c')).toBe(false);
    expect(await accepted('x'.repeat(10_000))).toBe(false);
  });

  it('is refused once it has expired, although it was accepted before', async () => {
    const token = await node.token(nodeId, { lifetimeSeconds: 60 });
    expect(await accepted(token)).toBe(true);
    clock.advance(121_000);
    expect(await accepted(token)).toBe(false);
  });
});
