import { hash } from 'node:crypto';
import type { ObjectStoreConfig } from './client.ts';

/** SHA-256's block, bytes. */
const BLOCK_BYTES = 64;

/**
 * One-shot hashes: an object of `createHash` or `createHmac` holds native memory that the collector
 * knows nothing of, and ten thousand links in a list would hold a hundred megabytes until it comes.
 */
export const sha256Hex = (text: string): string => hash('sha256', text, 'hex');
const sha256 = (data: Buffer): Buffer => hash('sha256', data, 'buffer');

/** HMAC of SHA-256 (RFC 2104). */
export function hmacSha256(key: Buffer, text: string): Buffer {
  const short = key.length > BLOCK_BYTES ? sha256(key) : key;
  const padded = (byte: number) => {
    const pad = Buffer.alloc(BLOCK_BYTES, byte);
    for (let i = 0; i < short.length; i++) pad[i] = byte ^ (short[i] ?? 0);
    return pad;
  };
  const inner = sha256(Buffer.concat([padded(0x36), Buffer.from(text)]));
  return sha256(Buffer.concat([padded(0x5c), inner]));
}

/** What is signed, and when. */
export interface Signable {
  /** `20261128T064849Z`. */
  time: string;
  /** Lines as the method has them: see Signature Version 4. */
  canonicalRequest: string;
}

export interface Signer {
  /** `AKID/20261128/us-east-1/s3/aws4_request`. */
  credential(time: string): string;
  /** In hexadecimal. */
  sign(signable: Signable): string;
}

/** Signature Version 4 under a bucket's own key: the farm's requests in headers, its links in queries. */
export function createSigner({
  region,
  accessKeyId,
  secretAccessKey,
}: Pick<ObjectStoreConfig, 'region' | 'accessKeyId' | 'secretAccessKey'>): Signer {
  let dayKey: { day: string; key: Buffer } | undefined;
  const keyOf = (day: string): Buffer => {
    if (dayKey?.day === day) return dayKey.key;
    const parts = [day, region, 's3', 'aws4_request'];
    const key = parts.reduce<Buffer>(hmacSha256, Buffer.from(`AWS4${secretAccessKey}`));
    dayKey = { day, key };
    return key;
  };
  const scope = (time: string) => `${time.slice(0, 8)}/${region}/s3/aws4_request`;
  return {
    credential: (time) => `${accessKeyId}/${scope(time)}`,
    sign({ time, canonicalRequest }) {
      const lines = ['AWS4-HMAC-SHA256', time, scope(time), sha256Hex(canonicalRequest)];
      return hmacSha256(keyOf(time.slice(0, 8)), lines.join('\n')).toString('hex');
    },
  };
}

/** A moment as Signature Version 4 writes it. */
export const signingTime = (date: Date): string => date.toISOString().replace(/[-:]|\.\d{3}/g, '');
