import { decodeAwsChunked } from './aws-chunked.ts';
import type { BlobStore, Piece } from './blobs.ts';
import {
  type Algorithm,
  algorithmOfHeader,
  algorithms,
  type Checksums,
  checksumHeader,
  Digests,
} from './checksums.ts';
import { S3Error } from './errors.ts';
import type { S3Request } from './request.ts';
import type { Payload } from './sigv4.ts';

/** Largest body of one PUT, as in S3; larger objects are multipart. */
const bodyBytesMax = 5 * 1024 ** 3;
const xmlBytesMax = 8 * 1024 ** 2;

export type Received = { piece: Piece; md5Hex: string; checksums: Checksums };

/**
 * Sums made of a body whatever the client claims. `kept`: of these the answer tells. `md5`: as its
 * ETag, which costs more than all else that is done with a body.
 */
type Sums = { kept: readonly Algorithm[]; md5: boolean };
const noSums: Sums = { kept: [], md5: false };
const justMd5: Sums = { kept: [], md5: true };

/** Length of the data, without chunk framing. */
function declaredBytes(request: S3Request, payload: Payload): number {
  const name = payload.kind === 'chunked' ? 'x-amz-decoded-content-length' : 'content-length';
  const raw = request.header(name);
  if (raw === undefined) throw new S3Error('MissingContentLength', `${name} is required`);
  if (!/^\d{1,15}$/.test(raw)) throw new S3Error('InvalidArgument', `${name} is not a length`);
  return Number(raw);
}

type Claims = { given: Checksums; trailing: Algorithm[] };
const noClaims = (): Claims => ({ given: {}, trailing: [] });

/** The checksum algorithms named in headers, and by x-amz-trailer. */
function declaredChecksums(request: S3Request): Claims {
  const given: Checksums = {};
  for (const name of request.amzHeaders) {
    const algorithm = algorithmOfHeader(name);
    if (!algorithm) continue;
    const value = request.header(name) ?? '';
    if (value === '') throw new S3Error('InvalidDigest', `${name} is empty`);
    given[algorithm] = value;
  }
  const trailing: Algorithm[] = [];
  for (const name of (request.header('x-amz-trailer') ?? '').split(',')) {
    if (name.trim() === '') continue;
    const algorithm = algorithmOfHeader(name.trim());
    if (!algorithm) throw new S3Error('MalformedTrailerError', `trailer ${name} is not supported`);
    trailing.push(algorithm);
  }
  return { given, trailing };
}

function takeTrailers({ given, trailing }: Claims, trailers: ReadonlyMap<string, string>): void {
  for (const algorithm of trailing) {
    const value = trailers.get(checksumHeader(algorithm));
    if (value === undefined) {
      throw new S3Error('MalformedTrailerError', `${checksumHeader(algorithm)} never came`);
    }
    given[algorithm] = value;
  }
}

/** A body being read: hashes what passes, and compares with every claim once it has ended. */
class Intake {
  readonly #request: S3Request;
  readonly #payload: Payload;
  readonly expectedBytes: number;
  readonly #claims: Claims;
  readonly #kept: readonly Algorithm[];
  readonly #trailers = new Map<string, string>();
  readonly #digests: Digests;
  #bytes = 0;
  md5Hex = '';
  checksums: Checksums = {};

  constructor(
    request: S3Request,
    payload: Payload,
    { bytesMax, claims, kept, md5 }: { bytesMax: number; claims: Claims } & Sums,
  ) {
    this.#request = request;
    this.#payload = payload;
    this.expectedBytes = declaredBytes(request, payload);
    if (this.expectedBytes > bytesMax) throw new S3Error('EntityTooLarge');
    this.#claims = claims;
    this.#kept = kept;
    const wanted = new Set<Algorithm>([...claims.trailing, ...kept]);
    if (md5 || request.header('content-md5') !== undefined) wanted.add('MD5');
    for (const algorithm of algorithms) if (claims.given[algorithm]) wanted.add(algorithm);
    if (payload.kind === 'sha256') wanted.add('SHA256');
    this.#digests = new Digests(wanted);
  }

  async *read(): AsyncGenerator<Buffer> {
    this.#request.acceptBody();
    // Breaking off must not destroy the socket: the refusal still has to reach the client.
    const raw: AsyncIterable<Buffer> = this.#request.message.iterator({ destroyOnReturn: false });
    const payload = this.#payload;
    const data =
      payload.kind === 'chunked'
        ? decodeAwsChunked(raw, { ...payload, trailers: this.#trailers })
        : raw;
    for await (const chunk of data) {
      this.#bytes += chunk.length;
      if (this.#bytes > this.expectedBytes) throw new S3Error('IncompleteBody');
      this.#digests.update(chunk);
      yield chunk;
    }
  }

  /** Throws unless the whole body came and agrees with its length and all its digests. */
  check(): void {
    if (this.#bytes !== this.expectedBytes) throw new S3Error('IncompleteBody');
    takeTrailers(this.#claims, this.#trailers);
    const digests = this.#digests.finish();
    const payload = this.#payload;
    if (payload.kind === 'sha256' && digests.get('SHA256')?.toString('hex') !== payload.hex) {
      throw new S3Error('XAmzContentSHA256Mismatch');
    }
    const md5 = digests.get('MD5');
    const contentMd5 = this.#request.header('content-md5');
    if (contentMd5 !== undefined && contentMd5 !== md5?.toString('base64')) {
      const wellFormed = Buffer.from(contentMd5, 'base64').length === md5?.length;
      throw new S3Error(wellFormed ? 'BadDigest' : 'InvalidDigest');
    }
    for (const [algorithm, digest] of digests) {
      const value = digest.toString('base64');
      const claimed = this.#claims.given[algorithm];
      if (claimed !== undefined && claimed !== value) {
        const detail = `The ${algorithm} you specified did not match the calculated checksum.`;
        throw new S3Error('BadDigest', detail);
      }
      if (claimed !== undefined || this.#kept.includes(algorithm)) {
        this.checksums[algorithm] = value;
      }
    }
    this.md5Hex = md5?.toString('hex') ?? '';
  }
}

/**
 * Streams a body into a durable blob that no row points at yet, having verified its length, chunk
 * signatures, x-amz-content-sha256, Content-MD5 and checksums. On a mismatch nothing is kept.
 */
export async function receiveBlob(
  request: S3Request,
  payload: Payload,
  blobs: BlobStore,
  sums: Sums = justMd5,
): Promise<Received> {
  const claims = declaredChecksums(request);
  const intake = new Intake(request, payload, { bytesMax: bodyBytesMax, claims, ...sums });
  const piece = await blobs.write(intake.expectedBytes, intake.read(), () => intake.check());
  return { piece, md5Hex: intake.md5Hex, checksums: intake.checksums };
}

/**
 * Reads a small (XML) body into memory, verified in the same way. Only in CompleteMultipartUpload are
 * the checksum headers not about the body but about the object to be.
 */
export async function receiveText(
  request: S3Request,
  payload: Payload,
  { checksumsOfBody } = { checksumsOfBody: true },
): Promise<string> {
  const claims = checksumsOfBody ? declaredChecksums(request) : noClaims();
  const intake = new Intake(request, payload, { bytesMax: xmlBytesMax, claims, ...noSums });
  const chunks: Buffer[] = [];
  for await (const chunk of intake.read()) chunks.push(chunk);
  intake.check();
  return Buffer.concat(chunks).toString('utf8');
}
