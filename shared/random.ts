import { randomBytes, randomUUID } from 'node:crypto';

/** The one source of randomness: identifiers, secrets and jitter. Everything else takes a Random. */
export interface Random {
  /** RFC 4122 version 4 UUID. */
  uuid(): string;
  /** Uniform in [0, 1): for jitter only. */
  unit(): number;
  /** `bytes` cryptographically strong bytes as base64url: secrets and tokens. */
  secret(bytes: number): string;
}

export const systemRandom: Random = {
  uuid: () => randomUUID(),
  unit: () => Math.random(),
  secret: (bytes) => randomBytes(bytes).toString('base64url'),
};
