import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { S3Error } from './errors.ts';
import { presignParameters, type S3Request } from './request.ts';

export type Credentials = { accessKeyId: string; secretAccessKey: string };

/** Checks the signature of each chunk of an aws-chunked body; each is chained to the one before. */
export type ChunkVerifier = {
  chunk(sha256Hex: string, signature: string): void;
  trailer(sha256Hex: string, signature: string): void;
};

/** What the signature says about the body. */
export type Payload =
  | { kind: 'unsigned' }
  | { kind: 'sha256'; hex: string }
  | { kind: 'chunked'; trailer: boolean; verifier?: ChunkVerifier };

const algorithm = 'AWS4-HMAC-SHA256';
const skewMsMax = 15 * 60_000;
const expiresSecondsMax = 7 * 24 * 3600;

export const sha256Hex = (data: string | Uint8Array) =>
  createHash('sha256').update(data).digest('hex');
const emptySha256 = sha256Hex('');
const hmac = (key: string | Buffer, text: string) =>
  createHmac('sha256', key).update(text).digest();

/** Percent-encodes as SigV4 wants: everything but A-Z a-z 0-9 - . _ ~. */
export const encodeStrictly = (text: string) =>
  encodeURIComponent(text).replace(
    /[!'()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );

type Claim = {
  credential: string;
  signedHeaders: string[];
  signature: string;
  amzDate: string;
  presignedExpires: string | undefined;
  payloadHash: string;
};

function claimOfHeader(request: S3Request, authorization: string): Claim {
  const fields = new Map<string, string>();
  for (const field of authorization.slice(algorithm.length).split(',')) {
    const at = field.indexOf('=');
    if (at > 0) fields.set(field.slice(0, at).trim(), field.slice(at + 1).trim());
  }
  const credential = fields.get('Credential');
  const signedHeaders = fields.get('SignedHeaders');
  const signature = fields.get('Signature');
  if (!authorization.startsWith(`${algorithm} `) || !credential || !signedHeaders || !signature) {
    throw new S3Error('AuthorizationHeaderMalformed');
  }
  const payloadHash = request.header('x-amz-content-sha256');
  if (payloadHash === undefined) {
    throw new S3Error('InvalidRequest', 'Missing required header: x-amz-content-sha256');
  }
  const amzDate = request.header('x-amz-date');
  if (amzDate === undefined) throw new S3Error('AccessDenied', 'x-amz-date is required');
  return {
    credential,
    signedHeaders: signedHeaders.split(';'),
    signature,
    amzDate,
    presignedExpires: undefined,
    payloadHash,
  };
}

function claimOfQuery(request: S3Request): Claim {
  const parameter = (name: string) => {
    const value = request.query.get(name);
    if (!value) throw new S3Error('AuthorizationQueryParametersError', `${name} is missing`);
    return value;
  };
  if (parameter('X-Amz-Algorithm') !== algorithm) {
    throw new S3Error('AuthorizationQueryParametersError', `X-Amz-Algorithm must be ${algorithm}`);
  }
  return {
    credential: parameter('X-Amz-Credential'),
    signedHeaders: parameter('X-Amz-SignedHeaders').split(';'),
    signature: parameter('X-Amz-Signature'),
    amzDate: parameter('X-Amz-Date'),
    presignedExpires: parameter('X-Amz-Expires'),
    payloadHash: request.header('x-amz-content-sha256') ?? 'UNSIGNED-PAYLOAD',
  };
}

function instantOf(amzDate: string): number {
  const match = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(amzDate);
  if (!match) throw new S3Error('AccessDenied', 'the date must look like 20260131T235959Z');
  const [, year, month, day, hour, minute, second] = match.map(Number);
  return Date.UTC(year ?? 0, (month ?? 0) - 1, day, hour, minute, second);
}

function checkTime(claim: Claim, nowMs: number): void {
  const signedAtMs = instantOf(claim.amzDate);
  if (claim.presignedExpires === undefined) {
    if (Math.abs(nowMs - signedAtMs) > skewMsMax) throw new S3Error('RequestTimeTooSkewed');
    return;
  }
  const expiresSeconds = Number(claim.presignedExpires);
  if (!/^\d{1,6}$/.test(claim.presignedExpires) || expiresSeconds > expiresSecondsMax) {
    throw new S3Error(
      'AuthorizationQueryParametersError',
      `X-Amz-Expires must be an integer from 0 to ${expiresSecondsMax} seconds`,
    );
  }
  if (signedAtMs - nowMs > skewMsMax) {
    throw new S3Error('AccessDenied', 'The request is not valid yet.');
  }
  if (nowMs > signedAtMs + expiresSeconds * 1000) {
    throw new S3Error('AccessDenied', 'The request has expired.');
  }
}

/** An unsigned x-amz-* header could change what a signed request means, so S3 refuses it. */
function checkSignedHeaders(request: S3Request, signed: readonly string[]): void {
  if (!signed.includes('host')) throw new S3Error('AccessDenied', 'the host header must be signed');
  for (const name of Object.keys(request.message.headers)) {
    if (name.startsWith('x-amz-') && !signed.includes(name)) {
      throw new S3Error('AccessDenied', `the header ${name} was sent but not signed`);
    }
  }
}

function canonicalRequest(request: S3Request, claim: Claim): string {
  const query = [...request.query]
    .filter(([name]) => name !== 'X-Amz-Signature' || claim.presignedExpires === undefined)
    .map(([name, value]) => [encodeStrictly(name), encodeStrictly(value)] as const)
    .sort(([a, x], [b, y]) => (a < b ? -1 : a > b ? 1 : x < y ? -1 : 1))
    .map(([name, value]) => `${name}=${value}`)
    .join('&');
  const headers = claim.signedHeaders.map((name) => {
    const values = request.message.headersDistinct[name] ?? [];
    return `${name}:${values.map((value) => value.trim().replace(/ +/g, ' ')).join(',')}\n`;
  });
  return [
    request.method,
    request.path.split('/').map(encodeStrictly).join('/'),
    query,
    headers.join(''),
    claim.signedHeaders.join(';'),
    claim.payloadHash,
  ].join('\n');
}

function sameSignature(expected: string, given: string): boolean {
  const left = Buffer.from(expected);
  const right = Buffer.from(given);
  return left.length === right.length && timingSafeEqual(left, right);
}

function chunkVerifier(signingKey: Buffer, scope: string, claim: Claim): ChunkVerifier {
  let previous = claim.signature;
  const verify = (kind: string, hashes: string[], signature: string) => {
    const toSign = [kind, claim.amzDate, scope, previous, ...hashes].join('\n');
    const expected = hmac(signingKey, toSign).toString('hex');
    if (!sameSignature(expected, signature)) throw new S3Error('SignatureDoesNotMatch');
    previous = signature;
  };
  return {
    chunk: (hash, signature) => verify(`${algorithm}-PAYLOAD`, [emptySha256, hash], signature),
    trailer: (hash, signature) => verify(`${algorithm}-TRAILER`, [hash], signature),
  };
}

function payloadOf(payloadHash: string, verifier: ChunkVerifier): Payload {
  switch (payloadHash) {
    case 'UNSIGNED-PAYLOAD':
      return { kind: 'unsigned' };
    case 'STREAMING-UNSIGNED-PAYLOAD-TRAILER':
      return { kind: 'chunked', trailer: true };
    case `STREAMING-${algorithm}-PAYLOAD`:
      return { kind: 'chunked', trailer: false, verifier };
    case `STREAMING-${algorithm}-PAYLOAD-TRAILER`:
      return { kind: 'chunked', trailer: true, verifier };
    default:
      if (/^[0-9a-f]{64}$/.test(payloadHash)) return { kind: 'sha256', hex: payloadHash };
      throw new S3Error('InvalidArgument', `x-amz-content-sha256 ${payloadHash} is not supported`);
  }
}

/**
 * Verifies the SigV4 signature of a request, from its header or its query, against the one set of
 * credentials. Any region is accepted. Throws S3Error (403 unless the claim is malformed).
 */
export function authenticate(request: S3Request, credentials: Credentials, nowMs: number): Payload {
  const authorization = request.message.headers.authorization;
  const presigned = [...presignParameters].some((name) => request.query.has(name));
  if (authorization !== undefined && presigned) {
    throw new S3Error('InvalidArgument', 'sign either with the header or with the query, not both');
  }
  if (authorization === undefined && !presigned) {
    throw new S3Error('AccessDenied', 'Every request must be signed.');
  }
  const claim =
    authorization === undefined ? claimOfQuery(request) : claimOfHeader(request, authorization);

  const [accessKeyId, day, region, service, terminator, ...rest] = claim.credential.split('/');
  if (!day || !region || service !== 's3' || terminator !== 'aws4_request' || rest.length > 0) {
    const code = presigned ? 'AuthorizationQueryParametersError' : 'AuthorizationHeaderMalformed';
    throw new S3Error(code, 'the credential must be KEY/DAY/REGION/s3/aws4_request');
  }
  if (accessKeyId !== credentials.accessKeyId) throw new S3Error('InvalidAccessKeyId');
  if (!claim.amzDate.startsWith(`${day}T`)) throw new S3Error('SignatureDoesNotMatch');

  const scope = [day, region, service, terminator].join('/');
  const dayKey = hmac(`AWS4${credentials.secretAccessKey}`, day);
  const signingKey = hmac(hmac(hmac(dayKey, region), service), terminator);
  // Node decodes header bytes as latin1; encoding the same way gives back the bytes that were sent.
  const canonical = Buffer.from(canonicalRequest(request, claim), 'latin1');
  const toSign = [algorithm, claim.amzDate, scope, sha256Hex(canonical)].join('\n');
  if (!sameSignature(hmac(signingKey, toSign).toString('hex'), claim.signature)) {
    throw new S3Error('SignatureDoesNotMatch');
  }
  checkTime(claim, nowMs);
  checkSignedHeaders(request, claim.signedHeaders);
  return payloadOf(claim.payloadHash, chunkVerifier(signingKey, scope, claim));
}
