import type { KeyObject } from 'node:crypto';
import type { NodeId } from '@karst/shared/protocol/ids.ts';
import { NODE_TOKEN_AUDIENCE } from '@karst/shared/protocol/node.ts';
import { SignJWT } from 'jose';
import type { ServerClock } from './server-clock.ts';

const lifetimeSeconds = 300;
/** A token is replaced when less than this is left of it, so that none expires on its way. */
const spareSeconds = 60;

/** The node's short-lived JWT (EdDSA), made anew when it ages or the server's clock moves. */
export class NodeToken {
  readonly #nodeId: NodeId;
  readonly #key: KeyObject;
  readonly #serverClock: ServerClock;
  #current: { jwt: string; issuedAtSeconds: number } | undefined;

  constructor(nodeId: NodeId, key: KeyObject, serverClock: ServerClock) {
    this.#nodeId = nodeId;
    this.#key = key;
    this.#serverClock = serverClock;
  }

  async jwt(): Promise<string> {
    const nowSeconds = Math.floor(this.#serverClock.nowMs() / 1000);
    const ageSeconds = nowSeconds - (this.#current?.issuedAtSeconds ?? 0);
    if (
      this.#current !== undefined &&
      ageSeconds < lifetimeSeconds - spareSeconds &&
      ageSeconds > -spareSeconds
    ) {
      return this.#current.jwt;
    }
    const jwt = await new SignJWT()
      .setProtectedHeader({ alg: 'EdDSA' })
      .setSubject(this.#nodeId)
      .setAudience(NODE_TOKEN_AUDIENCE)
      .setIssuedAt(nowSeconds)
      .setExpirationTime(nowSeconds + lifetimeSeconds)
      .sign(this.#key);
    this.#current = { jwt, issuedAtSeconds: nowSeconds };
    return jwt;
  }

  /** The next call makes a new one. */
  forget(): void {
    this.#current = undefined;
  }
}
