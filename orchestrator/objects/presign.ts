import type { S3Client } from '@aws-sdk/client-s3';
import { S3RequestPresigner } from '@aws-sdk/s3-request-presigner';
import type { Clock } from '@karst/shared/clock.ts';

export interface PresignRequest {
  method: 'GET' | 'PUT' | 'DELETE';
  key: string;
  query?: Record<string, string>;
  /** Lower-case names. The caller of the URL must send exactly these. */
  headers?: Record<string, string>;
  expiresInSeconds: number;
  /** From when on it counts, ms; default: now. */
  signedAtMs?: number;
}
export type Presign = (request: PresignRequest) => Promise<string>;

/** RFC 3986: what encodeURIComponent leaves must be escaped too, or signatures differ. */
export const escapeUri = (text: string) =>
  encodeURIComponent(text).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
export const escapeKey = (key: string) => key.split('/').map(escapeUri).join('/');

/** Storage tells its time to the second; what is less than this is no skew. */
const SKEW_MS_MIN = 60_000;

/** How far storage's clock goes before ours, as the SDK has learned. */
export function clockSkewMs({ config: { systemClockOffset } }: S3Client): number {
  return Math.abs(systemClockOffset) < SKEW_MS_MIN ? 0 : systemClockOffset;
}

/**
 * Signs URLs without the SDK's command pipeline: 40 µs instead of 250 to 370 µs each (measured),
 * which is what a node's sync with hundreds of outputs can afford. Where storage's clock is another
 * than ours, its own counts, as for the SDK's requests.
 */
export function createPresign(
  client: S3Client,
  endpoint: string,
  bucket: string,
  clock: Clock,
): Presign {
  const signer = new S3RequestPresigner({ ...client.config });
  const base = new URL(endpoint);
  const root = `${base.pathname.replace(/\/$/, '')}/${bucket}/`;
  return async ({ method, key, query = {}, headers = {}, expiresInSeconds, signedAtMs }) => {
    const path = root + escapeKey(key);
    const names = Object.keys(headers);
    const signed = await signer.presign(
      {
        method,
        protocol: base.protocol,
        hostname: base.hostname,
        ...(base.port === '' ? {} : { port: Number(base.port) }),
        path,
        query,
        headers: { host: base.host, ...headers },
      },
      {
        expiresIn: expiresInSeconds,
        signingDate: new Date((signedAtMs ?? clock.nowMs()) + clockSkewMs(client)),
        signableHeaders: new Set(['host', ...names]),
        // Otherwise x-amz-* headers move into the query, where not every server looks for them.
        unhoistableHeaders: new Set(names),
      },
    );
    const search = Object.entries(signed.query ?? {})
      .map(([name, value]) => `${escapeUri(name)}=${escapeUri(String(value))}`)
      .join('&');
    return `${base.origin}${path}?${search}`;
  };
}
