import { pipeline } from 'node:stream/promises';
import type { Request, Response } from 'express';
import type { ObjectStore } from '../objects/store.ts';
import { ProblemError } from './handler.ts';

export interface SentObject {
  key: string;
  /** Tells the content: another content has another name. */
  name: string;
  mediaType: string;
}

const RANGE = /^bytes=(\d{0,15})-(\d{0,15})$/;

/**
 * Answers with an object that never changes: kept by clients for good, 304 where they have it, a range
 * of bytes where they ask for one. Throws ProblemError not_found.
 */
export async function sendObject(
  objects: ObjectStore,
  { key, name, mediaType }: SentObject,
  request: Request,
  response: Response,
  signal: AbortSignal,
): Promise<void> {
  const etag = `"${name}"`;
  const headers = {
    'Cache-Control': 'private, max-age=31536000, immutable',
    ETag: etag,
    'Accept-Ranges': 'bytes',
    'X-Content-Type-Options': 'nosniff',
  };
  const info = await objects.head(key);
  if (info === undefined) throw new ProblemError('not_found', `There is no preview ${name}.`);
  if (matches(request.headers['if-none-match'], etag)) {
    response.writeHead(304, headers).end();
    return;
  }
  const { sizeBytes } = info;
  const ifRange = request.headers['if-range'];
  const asked = ifRange === undefined || ifRange === etag ? request.headers.range : undefined;
  const range = parseRange(asked, sizeBytes);
  if (range === 'unsatisfiable') {
    response.writeHead(416, { ...headers, 'Content-Range': `bytes */${sizeBytes}` }).end();
    return;
  }
  const body = await objects.getStream(key, range, signal);
  if (body === undefined) throw new ProblemError('not_found', `There is no preview ${name}.`);
  const content = { ...headers, 'Content-Type': mediaType };
  if (range === undefined) response.writeHead(200, { ...content, 'Content-Length': sizeBytes });
  else {
    const { start, end } = range;
    response.writeHead(206, {
      ...content,
      'Content-Length': end - start + 1,
      'Content-Range': `bytes ${start}-${end}/${sizeBytes}`,
    });
  }
  await pipeline(body.stream, response, { end: false });
}

const matches = (header: string | undefined, etag: string): boolean =>
  (header ?? '').split(',').some((each) => ['*', etag, `W/${etag}`].includes(each.trim()));

/** One range; several, and what is none, are answered with the whole, as they may be. */
function parseRange(
  header: string | undefined,
  sizeBytes: number,
): { start: number; end: number } | undefined | 'unsatisfiable' {
  const [, first = '', last = ''] = RANGE.exec(header ?? '') ?? [];
  if (first === '' && last === '') return undefined;
  const start = first === '' ? Math.max(0, sizeBytes - Number(last)) : Number(first);
  const end = first === '' || last === '' ? sizeBytes - 1 : Math.min(Number(last), sizeBytes - 1);
  if (first !== '' && last !== '' && Number(last) < Number(first)) return undefined;
  return start < sizeBytes && start <= end ? { start, end } : 'unsatisfiable';
}
