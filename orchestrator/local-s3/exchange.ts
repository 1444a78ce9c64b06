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

/** Sets a header whose value a client chose; what HTTP cannot carry is refused. */
export function setChosenHeader(response: ServerResponse, name: string, value: string): void {
  // Header values are latin1 in Node: text beyond it goes out as its UTF-8 bytes.
  const latin = Buffer.from(value, 'utf8').toString('latin1');
  const sendable = [...value].every((char) => char.charCodeAt(0) < 0x100) ? value : latin;
  try {
    validateHeaderValue(name, sendable);
  } catch {
    throw new S3Error('InvalidArgument', `the value for ${name} cannot be sent in a header`);
  }
  response.setHeader(name, sendable);
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
    if (value !== undefined) kept[name] = value;
  }
  const encodings = (request.header('content-encoding') ?? '').split(',').map((one) => one.trim());
  const encoding = encodings.filter((one) => one !== '' && one !== 'aws-chunked').join(', ');
  if (encoding !== '') kept['content-encoding'] = encoding;
  let metadataBytes = 0;
  for (const name of request.amzHeaders) {
    if (!name.startsWith('x-amz-meta-')) continue;
    const value = request.header(name) ?? '';
    kept[name] = value;
    metadataBytes += name.length - 'x-amz-meta-'.length + Buffer.byteLength(value);
  }
  if (metadataBytes > metadataBytesMax) throw new S3Error('MetadataTooLarge');
  return kept;
}
