import type { Clock } from '@karst/shared/clock.ts';
import { type NodeId, newKeyId, newNodeId, nodeIdSchema } from '@karst/shared/protocol/ids.ts';
import type { Random } from '@karst/shared/random.ts';
import { z } from 'zod';
import type { Redis } from '../store/connection.ts';
import { keys } from '../store/keys.ts';
import { loadScript } from '../store/script.ts';
import { hashSecret, SECRET_BYTES } from './secret.ts';

export type EnrollResult =
  | { kind: 'enrolled'; nodeId: NodeId }
  | { kind: 'used' }
  | { kind: 'unknown' };

/** One-time tokens, `karst_enroll_<id>_<secret>`, with which machines become nodes. */
export interface Enrollment {
  createToken(ttlSeconds: number): Promise<{ token: string; expiresAtMs: number }>;
  /**
   * Spends `token` on the node with `publicKey` (x of the JWK). Repeated with the same key it answers
   * the same node, whenever the first call was cut off.
   */
  enroll(token: string, name: string, publicKey: string): Promise<EnrollResult>;
}

/** How long a spent token is remembered as spent. */
const SPENT_KEPT_MS = 7 * 86_400_000;
const tokenText = /^karst_enroll_([0-9a-f]{20})_([A-Za-z0-9_-]{43})$/;

const claimToken = loadScript('enroll_node');
const createNode = loadScript('create_node');
const claimSchema = z.union([
  z.tuple([z.literal('claimed'), nodeIdSchema]),
  z.tuple([z.enum(['used', 'unknown'])]),
]);

export function createEnrollment(redis: Redis, clock: Clock, random: Random): Enrollment {
  return {
    async createToken(ttlSeconds) {
      const id = newKeyId(random);
      const secret = random.secret(SECRET_BYTES);
      const expiresAtMs = clock.nowMs() + ttlSeconds * 1000;
      await redis
        .multi()
        .hset(keys.enrollment(id), { hash: hashSecret(secret), expiresAtMs })
        .pexpire(keys.enrollment(id), ttlSeconds * 1000)
        .exec();
      return { token: `karst_enroll_${id}_${secret}`, expiresAtMs };
    },

    async enroll(token, name, publicKey) {
      const [, id, secret] = tokenText.exec(token) ?? [];
      if (id === undefined || secret === undefined) return { kind: 'unknown' };
      const nowMs = Math.floor(clock.nowMs());
      const claim = claimSchema.parse(
        await claimToken.run(
          redis,
          { token_key: keys.enrollment(id) },
          {
            now_ms: nowMs,
            secret_hash: hashSecret(secret),
            public_key: publicKey,
            node_id: newNodeId(random),
            keep_ms: SPENT_KEPT_MS,
          },
        ),
      );
      if (claim[0] !== 'claimed') return { kind: claim[0] };
      const [, nodeId] = claim;
      // Token and node live in different Redis Cluster slots: two idempotent steps in this order, so
      // that a call cut off between them is finished by its repetition.
      await createNode.run(
        redis,
        { node_key: keys.node(nodeId) },
        { now_ms: nowMs, name, public_key: publicKey },
      );
      await redis.sadd(keys.nodes(), nodeId);
      return { kind: 'enrolled', nodeId };
    },
  };
}
