import { S3Client } from '@aws-sdk/client-s3';
import { S3RequestPresigner } from '@aws-sdk/s3-request-presigner';
import { createPresign } from '@karst/orchestrator/objects/presign.ts';
import { hmacSha256 } from '@karst/orchestrator/objects/signing.ts';
import fc from 'fast-check';
import { expect, it } from 'vitest';

const config = {
  endpoint: 'http://s3.example:9000/store',
  region: 'eu-south-1',
  bucket: 'karst',
  accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
};
const nowMs = Date.UTC(2026, 10, 28, 6, 48, 49, 500);
const clock = { nowMs: () => nowMs, monotonicMs: () => 0 };
const client = new S3Client({
  region: config.region,
  endpoint: config.endpoint,
  credentials: { accessKeyId: config.accessKeyId, secretAccessKey: config.secretAccessKey },
});
const presign = createPresign(config, client, config.endpoint, clock);
const sdk = new S3RequestPresigner({ ...client.config });

/** What the SDK signs for the same request, by name. */
async function signedBySdk(
  method: string,
  path: string,
  query: Record<string, string>,
  headers: Record<string, string>,
): Promise<Record<string, unknown>> {
  const names = Object.keys(headers);
  const signed = await sdk.presign(
    {
      ...{ method, path, query, protocol: 'http:', hostname: 's3.example', port: 9000 },
      headers: { host: 's3.example:9000', ...headers },
    },
    {
      expiresIn: 900,
      signingDate: new Date(nowMs),
      signableHeaders: new Set(['host', ...names]),
      unhoistableHeaders: new Set(names),
    },
  );
  return signed.query ?? {};
}

const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 });
const key = fc
  .array(
    text.filter((part) => !part.includes('/') && !/^\.{1,2}$/.test(part)),
    { minLength: 1 },
  )
  .map((parts) => parts.join('/'));
const value = fc.stringMatching(/^[!-~]([ -~]{0,20}[!-~])?$/);

it('signs links as the SDK does, whatever the key, the query and the headers', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom('GET' as const, 'PUT' as const, 'DELETE' as const),
      key,
      fc.dictionary(fc.constantFrom('uploadId', 'partNumber', 'x-id', 'a b'), text),
      fc.dictionary(fc.constantFrom('content-md5', 'content-length', 'x-amz-meta-a'), value),
      async (method, objectKey, query, headers) => {
        const url = new URL(
          presign({ method, key: objectKey, query, headers, expiresInSeconds: 900 }),
        );
        const expected = await signedBySdk(method, url.pathname, query, headers);
        expect(Object.fromEntries(url.searchParams)).toEqual(expected);
      },
    ),
    { numRuns: 200 },
  );
});

it('makes the HMAC of RFC 4231, for short keys and such that are longer than a block', () => {
  expect(hmacSha256(Buffer.from('Jefe'), 'what do ya want for nothing?').toString('hex')).toBe(
    '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
  );
  const long = Buffer.alloc(131, 0xaa);
  const said = 'Test Using Larger Than Block-Size Key - Hash Key First';
  expect(hmacSha256(long, said).toString('hex')).toBe(
    '60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54',
  );
});
