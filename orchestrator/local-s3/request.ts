import type { IncomingMessage } from 'node:http';
import { S3Error } from './errors.ts';

export const keyBytesMax = 1024;

/** A parsed, not yet authenticated request. */
export type S3Request = {
  readonly method: string;
  readonly message: IncomingMessage;
  /** Decoded bucket and key; '' when the path has none. */
  readonly bucket: string;
  readonly key: string;
  /** Decoded path as sent, for the signature. */
  readonly path: string;
  readonly query: ReadonlyMap<string, string>;
  /** A header; in a presigned request also an x-amz-* query parameter standing for one. */
  header(name: string): string | undefined;
  /** Every x-amz-* header name present, lower case, hoisted ones included. */
  readonly amzHeaders: ReadonlySet<string>;
  /** Tells a client waiting on `Expect: 100-continue` to send its body. */
  acceptBody(): void;
};

/** Query parameters that authenticate a presigned URL and are no headers. */
export const presignParameters = new Set([
  'X-Amz-Algorithm',
  'X-Amz-Credential',
  'X-Amz-Date',
  'X-Amz-Expires',
  'X-Amz-SignedHeaders',
  'X-Amz-Signature',
]);

function decode(encoded: string): string {
  try {
    return decodeURIComponent(encoded);
  } catch {
    throw new S3Error('InvalidURI', 'the request target is not valid percent-encoded UTF-8');
  }
}

function parseQuery(raw: string): Map<string, string> {
  const query = new Map<string, string>();
  for (const pair of raw.split('&')) {
    if (pair === '') continue;
    const at = pair.indexOf('=');
    const name = decode(at < 0 ? pair : pair.slice(0, at));
    if (query.has(name)) throw new S3Error('InvalidArgument', `query parameter ${name} repeats`);
    query.set(name, at < 0 ? '' : decode(pair.slice(at + 1)));
  }
  return query;
}

/** Refuses what S3 cannot store as a key. Dots and slashes are plain characters of a key. */
export function checkKey(key: string): void {
  if (key === '') throw new S3Error('InvalidArgument', 'the key is empty');
  if (Buffer.byteLength(key) > keyBytesMax) throw new S3Error('KeyTooLongError');
  if (key.includes('\0')) throw new S3Error('InvalidArgument', 'the key holds a NUL');
  if (!key.isWellFormed()) throw new S3Error('InvalidArgument', 'the key is not valid Unicode');
}

/** Reads the target and headers of a message. The path is never normalised: `..` is part of a key. */
export function parseRequest(message: IncomingMessage, acceptBody: () => void): S3Request {
  const target = message.url ?? '';
  if (!target.startsWith('/')) throw new S3Error('InvalidURI', 'the target must be a path');
  const mark = target.indexOf('?');
  const path = decode(mark < 0 ? target : target.slice(0, mark));
  const query = parseQuery(mark < 0 ? '' : target.slice(mark + 1));
  const slash = path.indexOf('/', 1);
  const bucket = slash < 0 ? path.slice(1) : path.slice(1, slash);
  const key = slash < 0 ? '' : path.slice(slash + 1);
  if (key !== '') checkKey(key);

  const hoisted = new Map<string, string>();
  if (query.has('X-Amz-Signature')) {
    for (const [name, value] of query) {
      const lower = name.toLowerCase();
      if (!lower.startsWith('x-amz-') || presignParameters.has(name)) continue;
      hoisted.set(lower, value);
      const sent = message.headers[lower];
      if (sent !== undefined && sent !== value) {
        throw new S3Error('InvalidArgument', `${lower} differs between query and headers`);
      }
    }
  }
  const sentAmz = Object.keys(message.headers).filter((name) => name.startsWith('x-amz-'));
  return {
    method: message.method ?? '',
    message,
    bucket,
    key,
    path,
    query,
    amzHeaders: new Set([...sentAmz, ...hoisted.keys()]),
    header: (name) => message.headersDistinct[name]?.join(',') ?? hoisted.get(name),
    acceptBody,
  };
}

/** An integer query parameter; absent gives `fallback`, anything outside min..max is refused. */
export function integerParameter(
  request: S3Request,
  name: string,
  { min, max, fallback }: { min: number; max: number; fallback?: number },
): number {
  const raw = request.query.get(name);
  if (raw === undefined && fallback !== undefined) return fallback;
  const value = Number(raw);
  if (raw === undefined || !/^\d{1,10}$/.test(raw) || value < min || value > max) {
    throw new S3Error('InvalidArgument', `${name} must be an integer from ${min} to ${max}`);
  }
  return value;
}
