import {
  NODE_TOKEN_AUDIENCE,
  NODE_TOKEN_LIFETIME_MAX_SECONDS,
} from '@karst/shared/protocol/node.ts';
import { type CryptoKey, exportJWK, generateKeyPair, SignJWT } from 'jose';

export interface TokenClaims {
  sub?: string;
  aud?: string;
  /** Seconds from now. */
  issuedIn?: number;
  lifetimeSeconds?: number;
}

/** A node's key pair and the tokens it signs. */
export class NodeIdentity {
  readonly #privateKey: CryptoKey;
  readonly publicKey: { kty: 'OKP'; crv: 'Ed25519'; x: string };

  private constructor(privateKey: CryptoKey, x: string) {
    this.#privateKey = privateKey;
    this.publicKey = { kty: 'OKP', crv: 'Ed25519', x };
  }

  static async create(): Promise<NodeIdentity> {
    const pair = await generateKeyPair('EdDSA', { crv: 'Ed25519', extractable: true });
    const { x } = await exportJWK(pair.publicKey);
    if (x === undefined) throw new Error('the key has no x');
    return new NodeIdentity(pair.privateKey, x);
  }

  token(nodeId: string, claims: TokenClaims = {}): Promise<string> {
    const issued = Math.floor(Date.now() / 1000) + (claims.issuedIn ?? 0);
    return new SignJWT()
      .setProtectedHeader({ alg: 'EdDSA' })
      .setSubject(claims.sub ?? nodeId)
      .setAudience(claims.aud ?? NODE_TOKEN_AUDIENCE)
      .setIssuedAt(issued)
      .setExpirationTime(issued + (claims.lifetimeSeconds ?? NODE_TOKEN_LIFETIME_MAX_SECONDS))
      .sign(this.#privateKey);
  }
}
