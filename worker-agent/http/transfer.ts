import { createReadStream } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { err, ok, type Result } from '@karst/shared/result.ts';
import { type Connections, describe, readBody } from './exchange.ts';
import { passedBuffers } from './passing-buffers.ts';

/** Why an object didn't travel. `status` is absent when no answer came. */
export interface TransferFailure {
  status?: number;
  message: string;
}

const pieceBytes = 256 * 1024;
const errorBodyBytesMax = 64 * 1024;

/** Bytes `start` up to, but not including, `end` of a file. */
export interface FileRange {
  path: string;
  start: number;
  end: number;
}

/** PUTs a piece of a file to a presigned URL, streaming. Resolves to the answer's ETag. */
export async function putFile(
  connections: Connections,
  url: string,
  headers: Record<string, string>,
  { path, start, end }: FileRange,
  signal: AbortSignal,
): Promise<Result<{ etag: string }, TransferFailure>> {
  const length = end - start;
  const { stallMs } = connections;
  try {
    const request = connections.open(new URL(url), {
      method: 'PUT',
      headers: { ...headers, 'content-length': String(length) },
      timeout: stallMs,
      signal,
    });
    request.on('timeout', () => request.destroy(new Error(`stalled for ${stallMs} ms`)));
    const answered = new Promise<IncomingMessage>((resolve, reject) => {
      request.once('response', resolve);
      request.once('error', reject);
    });
    if (length === 0) request.end();
    else {
      const source = createReadStream(path, { start, end: end - 1, highWaterMark: pieceBytes });
      source.on('data', (chunk) => passedBuffers(chunk.length));
      // Storage may answer (refuse) before it has read everything, so the answer decides.
      pipeline(source, request).catch((error: Error) => request.destroy(error));
    }
    const response = await answered;
    const body = await readBody(response, errorBodyBytesMax);
    const status = response.statusCode ?? 0;
    if (status >= 200 && status <= 299) return ok({ etag: response.headers.etag ?? '' });
    return err({ status, message: `storage answered ${status} ${storageError(body)}` });
  } catch (error) {
    return err({ message: error instanceof Error ? describe(error) : String(error) });
  }
}

/**
 * GETs a presigned URL, or bytes `start` up to `end` of it: some storage answers all of it even then,
 * with 200. The caller reads the stream; a refusal is a value.
 */
export async function openDownload(
  connections: Connections,
  url: string,
  signal: AbortSignal,
  range?: { start: number; end: number },
): Promise<Result<IncomingMessage, TransferFailure>> {
  const { stallMs } = connections;
  try {
    const request = connections.open(new URL(url), {
      method: 'GET',
      timeout: stallMs,
      signal,
      ...(range === undefined
        ? {}
        : { headers: { range: `bytes=${range.start}-${range.end - 1}` } }),
    });
    request.on('timeout', () => request.destroy(new Error(`stalled for ${stallMs} ms`)));
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      request.once('response', resolve);
      request.once('error', reject);
      request.end();
    });
    const status = response.statusCode ?? 0;
    if (status === 200 || status === 206) return ok(response);
    const body = await readBody(response, errorBodyBytesMax);
    return err({ status, message: `storage answered ${status} ${storageError(body)}` });
  } catch (error) {
    return err({ message: error instanceof Error ? describe(error) : String(error) });
  }
}

/** S3 answers errors as XML; its code and message say enough. */
function storageError(body: Buffer): string {
  const text = body.toString('utf8');
  const [code, message] = ['Code', 'Message'].map(
    (tag) => new RegExp(`<${tag}>([^<]*)</${tag}>`).exec(text)?.[1] ?? '',
  );
  return `${code} ${message}`.trim();
}
