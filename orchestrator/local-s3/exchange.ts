import { type ServerResponse, validateHeaderValue } from 'node:http';
import type { Clock } from '@karst/shared/clock.ts';
import type { Random } from '@karst/shared/random.ts';
import type { BlobStore } from './blobs.ts';
import { type Checksums, checksumHeader, parseAlgorithm } from './checksums.ts';
import { S3Error } from './errors.ts';
import type { Index } from './index-db.ts';
import { checksumTypeOf } from './objects.ts';
import type { S3Request } from './request.ts';
import type { Payload } from './sigv4.ts';

/** What every operation works with. */
export type Store = { index: Index; blobs: BlobStore; clock: Clock; random: Random };

/** One authenticated request and the place for its answer. */
export type Exchange = { request: S3Request; payload: Payload; response: ServerResponse };

export type Operation = (store: Store, exchange: Exchange) => Promise<void>;

export const quoted = (etag: string) => `"${etag}"`;
export const isoTime = (ms: number) => new Date(ms).toISOString();

export function sendXml(response: ServerResponse, body: string, status = 200): void {
  const bytes = Buffer.from(body);
  response.writeHead(status, {
    'content-type': 'application/xml',
    'content-length': bytes.length,
  });
  response.end(bytes);
}

export function sendEmpty(response: ServerResponse, status: 200 | 204 | 304): void {
  response.writeHead(status, status === 200 ? { 'content-length': 0 } : {});
  response.end();
}

/** Sets x-amz-checksum-* and x-amz-checksum-type of a stored object or part. */
export function setChecksumHeaders(response: ServerResponse, checksums: Checksums): void {
  for (const [name, value] of Object.entries(checksums)) {
    response.setHeader(checksumHeader(parseAlgorithm(name)), value);
  }
  if (Object.keys(checksums).length > 0) {
    response.setHeader('x-amz-checksum-type', checksumTypeOf(checksums));
  }
}

/**
 * A value a client chose, as Node can send it: text beyond latin1 (it can come in a query) goes out as
 * its UTF-8 bytes. Throws InvalidArgument for what HTTP cannot carry.
 */
export function sendable(name: string, value: string): string {
  const isLatin = [...value].every((char) => char.charCodeAt(0) < 0x100);
  const latin = isLatin ? value : Buffer.from(value, 'utf8').toString('latin1');
  try {
    validateHeaderValue(name, latin);
  } catch {
    throw new S3Error('InvalidArgument', `the value for ${name} cannot be sent in a header`);
  }
  return latin;
}

const contentHeaders = [
  'content-type',
  'content-disposition',
  'cache-control',
  'content-language',
  'expires',
];
const metadataBytesMax = 2048;

/** The headers of a write that are kept with the object. */
export function keptHeaders(request: S3Request): Record<string, string> {
  const kept: Record<string, string> = { 'content-type': 'binary/octet-stream' };
  for (const name of contentHeaders) {
    const value = request.header(name);
    if (value !== undefined) kept[name] = sendable(name, value);
  }
  const encodings = (request.header('content-encoding') ?? '').split(',').map((one) => one.trim());
  const encoding = encodings.filter((one) => one !== '' && one !== 'aws-chunked').join(', ');
  if (encoding !== '') kept['content-encoding'] = sendable('content-encoding', encoding);
  let metadataBytes = 0;
  for (const name of request.amzHeaders) {
    if (!name.startsWith('x-amz-meta-')) continue;
    const value = sendable(name, request.header(name) ?? '');
    kept[name] = value;
    metadataBytes += name.length - 'x-amz-meta-'.length + Buffer.byteLength(value);
  }
  if (metadataBytes > metadataBytesMax) throw new S3Error('MetadataTooLarge');
  return kept;
}
