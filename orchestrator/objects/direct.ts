import { Agent as HttpAgent, request as httpRequest, type RequestOptions } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { S3Client } from '@aws-sdk/client-s3';
import type { Clock } from '@karst/shared/clock.ts';
import type { ObjectStoreConfig } from './client.ts';
import { clockSkewMs, escapeKey, escapeUri, queryOf } from './presign.ts';
import { createSigner, sha256Hex, signingTime } from './signing.ts';

export interface DirectRequest {
  method: 'GET' | 'HEAD' | 'PUT';
  /** '': the bucket itself. */
  key: string;
  query?: Readonly<Record<string, string>>;
  /** Lower-case names, beside those that sign it. */
  headers?: Readonly<Record<string, string>>;
  body?: string;
}

/** The header of an answer whose status is 200, and its body. */
export interface DirectAnswer {
  contentLength: number;
  body: string;
}

/**
 * Sends a small request without the SDK's pipeline, which takes a millisecond of CPU for each. Only
 * what went plainly well is answered: undefined is anything else, from an absent object to a network
 * that is gone, and the SDK's own call has to find out what.
 */
export type Direct = (request: DirectRequest) => Promise<DirectAnswer | undefined>;

/** Without a byte. */
const TIMEOUT_MS = 10_000;
const SOCKETS_MAX = 64;
/** A page of a list of 1,000 keys of the longest names has less. */
const BODY_BYTES_MAX = 4 * 1024 * 1024;

export function createDirect(
  config: ObjectStoreConfig,
  client: S3Client,
  clock: Clock,
): { send: Direct; close(): void } {
  const base = new URL(config.endpoint);
  const bucket = `${base.pathname.replace(/\/$/, '')}/${config.bucket}`;
  const sign = signHeaders(config, base.host);
  const pool = { keepAlive: true, maxSockets: SOCKETS_MAX };
  const agent = base.protocol === 'https:' ? new HttpsAgent(pool) : new HttpAgent(pool);
  const open = base.protocol === 'https:' ? httpsRequest : httpRequest;
  const target = { protocol: base.protocol, hostname: base.hostname, port: base.port, agent };
  return {
    send({ method, key, query = {}, headers = {}, body = '' }) {
      const place = key === '' ? bucket : `${bucket}/${escapeKey(key)}`;
      const search = queryOf(query);
      const now = new Date(clock.nowMs() + clockSkewMs(client));
      const signed = sign({ method, place, search, headers, body, now });
      const path = search === '' ? place : `${place}?${search}`;
      return exchange(open, { ...target, method, path, headers: signed }, body);
    },
    close: () => agent.destroy(),
  };
}

function exchange(
  open: typeof httpRequest,
  options: RequestOptions,
  body: string,
): Promise<DirectAnswer | undefined> {
  return new Promise((resolve) => {
    const request = open({ ...options, timeout: TIMEOUT_MS }, (response) => {
      const pieces: Buffer[] = [];
      let bytes = 0;
      response.on('data', (piece: Buffer) => {
        bytes += piece.length;
        if (bytes > BODY_BYTES_MAX) request.destroy();
        else pieces.push(piece);
      });
      response.on('end', () => {
        if (response.statusCode !== 200) return resolve(undefined);
        const contentLength = Number(response.headers['content-length'] ?? Number.NaN);
        resolve({ contentLength, body: Buffer.concat(pieces).toString('utf8') });
      });
      response.on('error', () => resolve(undefined));
      response.on('close', () => resolve(undefined));
    });
    request.on('timeout', () => request.destroy());
    request.on('error', () => resolve(undefined));
    request.end(body);
  });
}

type Sign = (request: {
  method: string;
  place: string;
  search: string;
  headers: Readonly<Record<string, string>>;
  body: string;
  now: Date;
}) => Record<string, string>;

/** Signature version 4, in headers. */
function signHeaders(config: ObjectStoreConfig, host: string): Sign {
  const signer = createSigner(config);
  return ({ method, place, search, headers: given, body, now }) => {
    const time = signingTime(now);
    const hash = sha256Hex(body);
    const headers: Record<string, string> = {
      ...given,
      host,
      'x-amz-content-sha256': hash,
      'x-amz-date': time,
    };
    const names = Object.keys(headers).sort();
    const lines = names.map((name) => `${name}:${headers[name]?.trim()}\n`).join('');
    const canonicalRequest = [method, place, search, lines, names.join(';'), hash].join('\n');
    const signature = signer.sign({ time, canonicalRequest });
    headers.authorization = `AWS4-HMAC-SHA256 Credential=${signer.credential(time)}, SignedHeaders=${names.join(';')}, Signature=${signature}`;
    if (method === 'PUT') headers['content-length'] = String(Buffer.byteLength(body));
    return headers;
  };
}

/** What a copy is of, as a header says it. */
export const copySource = (bucket: string, key: string): string =>
  [bucket, ...key.split('/')].map(escapeUri).join('/');
