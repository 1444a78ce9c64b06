import { createHash, createHmac } from 'node:crypto';
import { systemClock } from '@karst/shared/clock.ts';
import { credentials } from './endpoint.ts';

/**
 * SigV4 written a second time, for requests the SDK would not make: lying hashes, signed chunks, cut
 * bodies. Kept free of the endpoint's own code, so that the two cannot be wrong together.
 */
const sha256 = (data: string | Buffer) => createHash('sha256').update(data).digest('hex');
const hmac = (key: string | Buffer, text: string) =>
  createHmac('sha256', key).update(text).digest();

export type Signed = {
  headers: Record<string, string>;
  signature: string;
  /** Signs the next chunk of an aws-chunked body. */
  signChunk: (data: string | Buffer) => string;
  /** Signs the trailing headers, given as `name:value\n` lines. */
  signTrailer: (lines: string) => string;
};

export type RawRequest = {
  method: string;
  /** Percent-encoded path, without query. */
  path: string;
  host: string;
  payloadHash: string;
  headers?: Record<string, string>;
  atMs?: number;
};

export function sign(request: RawRequest): Signed {
  const instant = new Date(request.atMs ?? systemClock.nowMs());
  const amzDate = instant.toISOString().replace(/[-:]|\.\d+/g, '');
  const headers: Record<string, string> = {
    ...request.headers,
    host: request.host,
    'x-amz-content-sha256': request.payloadHash,
    'x-amz-date': amzDate,
  };
  const names = Object.keys(headers).sort();
  const canonical = [
    request.method,
    request.path,
    '',
    ...names.map((name) => `${name}:${headers[name]}`),
    '',
    names.join(';'),
    request.payloadHash,
  ].join('\n');
  const scope = `${amzDate.slice(0, 8)}/us-east-1/s3/aws4_request`;
  const key = scope.split('/').reduce<string | Buffer>(hmac, `AWS4${credentials.secretAccessKey}`);
  const toSign = ['AWS4-HMAC-SHA256', amzDate, scope, sha256(canonical)].join('\n');
  const signature = hmac(key, toSign).toString('hex');
  let previous = signature;
  const next = (kind: string, hashes: string[]) => {
    const text = [`AWS4-HMAC-SHA256-${kind}`, amzDate, scope, previous, ...hashes].join('\n');
    previous = hmac(key, text).toString('hex');
    return previous;
  };
  headers.authorization = `AWS4-HMAC-SHA256 Credential=${credentials.accessKeyId}/${scope}, SignedHeaders=${names.join(';')}, Signature=${signature}`;
  return {
    headers,
    signature,
    signChunk: (data) => next('PAYLOAD', [sha256(''), sha256(data)]),
    signTrailer: (lines) => next('TRAILER', [sha256(lines)]),
  };
}
