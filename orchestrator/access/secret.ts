import { createHash, timingSafeEqual } from 'node:crypto';

export const SECRET_BYTES = 32;

/**
 * What is stored of a secret. Plain SHA-256 is enough: secrets are 32 random bytes, so there is
 * nothing to guess that a slow hash would protect.
 */
export const hashSecret = (secret: string): string =>
  createHash('sha256').update(secret).digest('hex');

/** Compares in constant time. */
export function secretMatches(secret: string, hash: string): boolean {
  const expected = Buffer.from(hash, 'hex');
  const given = createHash('sha256').update(secret).digest();
  return expected.length === given.length && timingSafeEqual(expected, given);
}
