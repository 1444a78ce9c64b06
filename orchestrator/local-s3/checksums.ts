import { createHash } from 'node:crypto';
import { Crc32 } from '@karst/shared/crc32.ts';
import {
  Crc,
  type CrcVariant,
  crc32cVariant,
  crc32Variant,
  crc64nvmeVariant,
  joinCrcs,
} from './crc.ts';
import { S3Error } from './errors.ts';

export const algorithms = [
  'CRC32',
  'CRC32C',
  'CRC64NVME',
  'SHA1',
  'SHA256',
  'SHA512',
  'MD5',
] as const;
export type Algorithm = (typeof algorithms)[number];
export type ChecksumType = 'FULL_OBJECT' | 'COMPOSITE';
/** Base64 values, with `-N` behind a composite one. */
export type Checksums = Partial<Record<Algorithm, string>>;

type Digest = { update(data: Uint8Array): void; digest(): Buffer };

const crcVariants: Partial<Record<Algorithm, CrcVariant>> = {
  CRC32: crc32Variant,
  CRC32C: crc32cVariant,
  CRC64NVME: crc64nvmeVariant,
};

/** Only a CRC of the parts can become the CRC of the whole without reading it again. */
export const fullObjectPossible = (algorithm: Algorithm) => crcVariants[algorithm] !== undefined;

function createDigest(algorithm: Algorithm): Digest {
  if (algorithm === 'CRC32') return new Crc32();
  const variant = crcVariants[algorithm];
  return variant ? new Crc(variant) : createHash(algorithm.toLowerCase());
}

/** Several digests over one stream. */
export class Digests {
  readonly #digests = new Map<Algorithm, Digest>();

  constructor(wanted: Iterable<Algorithm>) {
    for (const algorithm of wanted) this.#digests.set(algorithm, createDigest(algorithm));
  }

  update(data: Uint8Array): void {
    for (const digest of this.#digests.values()) digest.update(data);
  }

  /** Finishes every digest; call once. */
  finish(): Map<Algorithm, Buffer> {
    return new Map([...this.#digests].map(([algorithm, digest]) => [algorithm, digest.digest()]));
  }
}

/** Reads an algorithm name as S3 spells it in headers and XML. */
export function parseAlgorithm(name: string): Algorithm {
  const found = algorithms.find((algorithm) => algorithm === name.toUpperCase());
  if (!found) throw new S3Error('NotImplemented', `checksum algorithm ${name} is not supported`);
  return found;
}

export const checksumHeader = (algorithm: Algorithm) => `x-amz-checksum-${algorithm.toLowerCase()}`;

const headerPattern = /^x-amz-checksum-(?!mode$|type$|algorithm$)(.+)$/;

/** The algorithm a header such as x-amz-checksum-crc32 names; undefined for other headers. */
export function algorithmOfHeader(name: string): Algorithm | undefined {
  const match = headerPattern.exec(name.toLowerCase());
  return match?.[1] === undefined ? undefined : parseAlgorithm(match[1]);
}

export type PartChecksum = { base64: string; sizeBytes: number };

/** The checksum of a whole multipart object from those of its parts, in order. */
export function joinParts(
  algorithm: Algorithm,
  type: ChecksumType,
  parts: readonly PartChecksum[],
): string {
  if (type === 'COMPOSITE') {
    const digest = createDigest(algorithm);
    for (const part of parts) digest.update(Buffer.from(part.base64, 'base64'));
    return `${digest.digest().toString('base64')}-${parts.length}`;
  }
  const variant = crcVariants[algorithm];
  if (!variant) throw new S3Error('InvalidRequest', `${algorithm} has no full-object checksum`);
  let joined = 0n;
  for (const part of parts) {
    const value = BigInt(`0x${Buffer.from(part.base64, 'base64').toString('hex')}`);
    joined = joinCrcs(joined, value, part.sizeBytes, variant);
  }
  const hex = joined.toString(16).padStart(variant.widthBits / 4, '0');
  return Buffer.from(hex, 'hex').toString('base64');
}
