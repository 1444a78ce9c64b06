import * as http from 'node:http';
import * as https from 'node:https';
import { err, ok, type Result } from '@karst/shared/result.ts';

/** One answered HTTP exchange, body read whole. */
export interface HttpAnswer {
  status: number;
  headers: http.IncomingHttpHeaders;
  body: Buffer;
}

export interface HttpRequest {
  method: string;
  url: URL;
  headers: Record<string, string>;
  body?: string;
  /** Without an answer for this long the call is given up. */
  timeoutMs: number;
  signal?: AbortSignal;
}

/** Why no answer came. */
export interface Unreachable {
  kind: 'unreachable';
  message: string;
}

const bodyBytesMax = 64 * 1024 * 1024;
const stallMsDefault = 60_000;

/** Kept-alive connections, one pool for each protocol. */
export class Connections {
  readonly #http = new http.Agent({ keepAlive: true });
  readonly #https = new https.Agent({ keepAlive: true });
  /** A transfer on which nothing moves for this long is given up. */
  readonly stallMs: number;

  constructor(stallMs = stallMsDefault) {
    this.stallMs = stallMs;
  }

  /** A request of the right protocol, not yet ended. */
  open(url: URL, options: http.RequestOptions): http.ClientRequest {
    return url.protocol === 'https:'
      ? https.request(url, { ...options, agent: this.#https })
      : http.request(url, { ...options, agent: this.#http });
  }

  close(): void {
    this.#http.destroy();
    this.#https.destroy();
  }
}

/** Sends a small request and reads the answer whole; expected failures are values. */
export function exchange(
  connections: Connections,
  call: HttpRequest,
): Promise<Result<HttpAnswer, Unreachable>> {
  return new Promise((resolve) => {
    const fail = (error: Error) => resolve(err({ kind: 'unreachable', message: describe(error) }));
    const request = connections.open(call.url, {
      method: call.method,
      headers: { ...call.headers, ...contentLength(call.body) },
      timeout: call.timeoutMs,
      ...(call.signal === undefined ? {} : { signal: call.signal }),
    });
    request.on('error', fail);
    request.on('timeout', () => request.destroy(new Error(`no answer in ${call.timeoutMs} ms`)));
    request.on('response', (response) => {
      readBody(response, bodyBytesMax).then(
        (body) =>
          resolve(ok({ status: response.statusCode ?? 0, headers: response.headers, body })),
        fail,
      );
    });
    request.end(call.body);
  });
}

const contentLength = (body: string | undefined): Record<string, string> =>
  body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) };

/** Reads a response whole; rejects when it is longer than `bytesMax` or breaks off. */
export function readBody(response: http.IncomingMessage, bytesMax: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    response.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length > bytesMax) response.destroy(new Error(`the answer exceeds ${bytesMax} bytes`));
      else chunks.push(chunk);
    });
    response.on('end', () => resolve(Buffer.concat(chunks, length)));
    response.on('error', reject);
    response.on('close', () => reject(new Error('the connection closed before the answer ended')));
  });
}

/** An error in words; AggregateError (several addresses tried) has an empty message of its own. */
export function describe(error: Error): string {
  if (error instanceof AggregateError) {
    return error.errors
      .map((one: unknown) => (one instanceof Error ? one.message : String(one)))
      .join('; ');
  }
  return error.message === '' ? error.name : error.message;
}
