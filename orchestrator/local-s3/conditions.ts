import type { IncomingHttpHeaders } from 'node:http';
import { S3Error } from './errors.ts';
import { type ObjectRecord, sameEtag, type WriteCondition } from './objects.ts';
import type { S3Request } from './request.ts';

/** Reads If-None-Match and If-Match of a write. S3 knows only `*` for the first. */
export function writeCondition(request: S3Request): WriteCondition {
  const noneMatch = request.header('if-none-match');
  const etag = request.header('if-match');
  if (noneMatch !== undefined && (noneMatch !== '*' || etag !== undefined)) {
    throw new S3Error('NotImplemented', 'a write takes If-None-Match: * or If-Match, nothing else');
  }
  return { mustNotExist: noneMatch !== undefined, etag };
}

function matches(list: string, etag: string): boolean {
  return list.split(',').some((one) => {
    const wanted = one.trim().replace(/^W\//, '');
    return wanted === '*' || sameEtag(wanted, etag);
  });
}

/** Whole seconds of an HTTP date; NaN (which compares false) when it is not one. */
const secondsOf = (date: string) => Math.floor(Date.parse(date) / 1000);

type ReadConditions = Record<
  'match' | 'noneMatch' | 'modifiedSince' | 'unmodifiedSince',
  string | undefined
>;

function judge(object: ObjectRecord, conditions: ReadConditions): 'ok' | 'failed' | 'unchanged' {
  const modified = Math.floor(object.modifiedMs / 1000);
  const { match, noneMatch, modifiedSince, unmodifiedSince } = conditions;
  // RFC 9110 section 13.2.2: an ETag condition makes its date twin count for nothing.
  if (match !== undefined) {
    if (!matches(match, object.etag)) return 'failed';
  } else if (unmodifiedSince !== undefined && modified > secondsOf(unmodifiedSince)) {
    return 'failed';
  }
  if (noneMatch !== undefined) return matches(noneMatch, object.etag) ? 'unchanged' : 'ok';
  const since = modifiedSince === undefined ? Number.NaN : secondsOf(modifiedSince);
  return modified <= since ? 'unchanged' : 'ok';
}

/** Judges a GET or HEAD: 'unchanged' means 304. Throws PreconditionFailed. */
export function checkRead(object: ObjectRecord, headers: IncomingHttpHeaders): 'ok' | 'unchanged' {
  const verdict = judge(object, {
    match: headers['if-match'],
    noneMatch: headers['if-none-match'],
    modifiedSince: headers['if-modified-since'],
    unmodifiedSince: headers['if-unmodified-since'],
  });
  if (verdict === 'failed') throw new S3Error('PreconditionFailed');
  return verdict;
}

/** Judges the x-amz-copy-source-if-* headers. Throws PreconditionFailed. */
export function checkCopySource(object: ObjectRecord, request: S3Request): void {
  const verdict = judge(object, {
    match: request.header('x-amz-copy-source-if-match'),
    noneMatch: request.header('x-amz-copy-source-if-none-match'),
    modifiedSince: request.header('x-amz-copy-source-if-modified-since'),
    unmodifiedSince: request.header('x-amz-copy-source-if-unmodified-since'),
  });
  if (verdict !== 'ok') throw new S3Error('PreconditionFailed');
}

/** A stretch of an object; `end` is exclusive. */
export type ByteRange = { start: number; end: number };

/**
 * Reads a Range header against an object of `sizeBytes`. Undefined means the whole object: no header,
 * several ranges or a unit we do not know, which HTTP lets a server ignore. Throws InvalidRange.
 */
export function parseRange(header: string | undefined, sizeBytes: number): ByteRange | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header?.trim() ?? '');
  const [, first = '', last = ''] = match ?? [];
  if (first === '' && last === '') return undefined;
  let range: ByteRange;
  if (first === '') range = { start: Math.max(sizeBytes - Number(last), 0), end: sizeBytes };
  else {
    if (last !== '' && Number(last) < Number(first)) return undefined;
    range = { start: Number(first), end: last === '' ? sizeBytes : Number(last) + 1 };
  }
  range.end = Math.min(range.end, sizeBytes);
  if (range.start >= range.end) {
    throw new S3Error('InvalidRange', undefined, { 'content-range': `bytes */${sizeBytes}` });
  }
  return range;
}
