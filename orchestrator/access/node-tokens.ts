import type { Clock } from '@karst/shared/clock.ts';
import { type NodeId, nodeIdSchema } from '@karst/shared/protocol/ids.ts';
import {
  NODE_TOKEN_AUDIENCE,
  NODE_TOKEN_LIFETIME_MAX_SECONDS,
} from '@karst/shared/protocol/node.ts';
import { type CryptoKey, decodeJwt, errors, importJWK, jwtVerify } from 'jose';
import { z } from 'zod';
import type { Redis } from '../store/connection.ts';
import { keys } from '../store/keys.ts';
import { ExpiringCache } from './expiring-cache.ts';

export interface NodeTokens {
  /**
   * The node that signed `token`, or why it is refused. Answers at once (no promise) for a token seen
   * before: a farm of 5,000 syncing nodes checks a signature once for each token, not for each call.
   */
  verify(token: string): NodeTokenResult | Promise<NodeTokenResult>;
}
export type NodeTokenResult = { ok: true; nodeId: NodeId } | { ok: false; reason: string };

const SKEW_SECONDS = 60;
const TOKENS_MAX = 20_000;
/** Ours are under 300 characters. */
const TOKEN_LENGTH_MAX = 2000;

const claimsSchema = z.object({
  sub: nodeIdSchema,
  iat: z.number(),
  exp: z.number(),
});
const refused = (reason: string): NodeTokenResult => ({ ok: false, reason });

export function createNodeTokens(redis: Redis, clock: Clock): NodeTokens {
  const tokens = new ExpiringCache<NodeTokenResult>(TOKENS_MAX);

  const publicKeyOf = async (nodeId: NodeId): Promise<CryptoKey | Uint8Array | undefined> => {
    const x = await redis.hget(keys.node(nodeId), 'publicKey');
    return x === null ? undefined : await importJWK({ kty: 'OKP', crv: 'Ed25519', x }, 'EdDSA');
  };

  const check = async (token: string): Promise<NodeTokenResult> => {
    const claims = readClaims(token);
    if (claims === undefined) return refused('This is not a node token.');
    const { sub, iat, exp } = claims;
    if (exp - iat > NODE_TOKEN_LIFETIME_MAX_SECONDS) {
      return refused(
        `The token lives ${exp - iat} s, expected at most ${NODE_TOKEN_LIFETIME_MAX_SECONDS} s.`,
      );
    }
    const nowMs = clock.nowMs();
    if (iat > nowMs / 1000 + SKEW_SECONDS) {
      return refused(
        'The token was issued in the future: the clock is wrong (see the Date header).',
      );
    }
    const key = await publicKeyOf(sub);
    if (key === undefined) return refused('The node is not enrolled here.');
    try {
      await jwtVerify(token, key, {
        algorithms: ['EdDSA'],
        audience: NODE_TOKEN_AUDIENCE,
        subject: sub,
        clockTolerance: SKEW_SECONDS,
        currentDate: new Date(nowMs),
      });
    } catch (error) {
      if (error instanceof errors.JOSEError) return refused(refusal(error));
      throw error;
    }
    const result: NodeTokenResult = { ok: true, nodeId: sub };
    tokens.set(token, result, (exp + SKEW_SECONDS) * 1000);
    return result;
  };

  return {
    verify(token) {
      if (token.length > TOKEN_LENGTH_MAX) return refused('This is not a node token.');
      return tokens.get(token, clock.nowMs()) ?? check(token);
    },
  };
}

function refusal(error: errors.JOSEError): string {
  if (error instanceof errors.JWTExpired) {
    return 'The token has expired: sign a new one (if it is new, the clock is wrong, see the Date header).';
  }
  if (error instanceof errors.JWTClaimValidationFailed)
    return `The claim "${error.claim}" is wrong.`;
  return "The token's signature is not the node's.";
}

/** Before the signature is checked, only to know whose key to check it with. */
function readClaims(token: string): z.output<typeof claimsSchema> | undefined {
  try {
    return claimsSchema.safeParse(decodeJwt(token)).data;
  } catch (error) {
    if (error instanceof errors.JOSEError) return undefined;
    throw error;
  }
}
