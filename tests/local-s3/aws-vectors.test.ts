import { createServer, request } from 'node:http';
import { decodeAwsChunked } from '@karst/orchestrator/local-s3/aws-chunked.ts';
import { parseRequest } from '@karst/orchestrator/local-s3/request.ts';
import { authenticate } from '@karst/orchestrator/local-s3/sigv4.ts';
import { afterAll, beforeAll, expect, it } from 'vitest';

/**
 * The worked examples of the Amazon S3 documentation on signature version 4: proof against the real
 * thing, where the SDK and this project might share a mistake.
 */
const credentials = {
  accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
};
const nowMs = Date.UTC(2013, 4, 24);
const scope = 'AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request';
const emptySha256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

// Runs only our reading and checking of a request, and answers with what it found.
const server = createServer(async (message, response) => {
  try {
    const payload = authenticate(
      parseRequest(message, () => undefined),
      credentials,
      nowMs,
    );
    let bytes = 0;
    if (payload.kind === 'chunked') {
      const trailers = new Map<string, string>();
      for await (const chunk of decodeAwsChunked(message, { ...payload, trailers })) {
        bytes += chunk.length;
      }
    }
    response.end(`accepted ${payload.kind} ${bytes}`);
  } catch (error) {
    response.end(String(error));
  }
});
let port = 0;
beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  port = typeof address === 'object' && address ? address.port : 0;
});
afterAll(() => server.close());

function send(method: string, path: string, headers: Record<string, string>, body: string[] = []) {
  return new Promise<string>((resolve, reject) => {
    const sent = request({ port, host: '127.0.0.1', method, path, headers }, async (response) => {
      let text = '';
      for await (const chunk of response) text += chunk;
      resolve(text);
    });
    sent.on('error', reject).end(body.join(''));
  });
}

const header = (signedHeaders: string, signature: string) =>
  `AWS4-HMAC-SHA256 Credential=${scope},SignedHeaders=${signedHeaders},Signature=${signature}`;

it('accepts the documented GET of a range', async () => {
  const answer = await send('GET', '/test.txt', {
    host: 'examplebucket.s3.amazonaws.com',
    range: 'bytes=0-9',
    'x-amz-content-sha256': emptySha256,
    'x-amz-date': '20130524T000000Z',
    authorization: header(
      'host;range;x-amz-content-sha256;x-amz-date',
      'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
    ),
  });
  expect(answer).toBe('accepted sha256 0');
});

it('accepts the documented PUT, with a $ in its key', async () => {
  const answer = await send('PUT', '/test$file.text', {
    host: 'examplebucket.s3.amazonaws.com',
    date: 'Fri, 24 May 2013 00:00:00 GMT',
    'x-amz-content-sha256': '44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072',
    'x-amz-date': '20130524T000000Z',
    'x-amz-storage-class': 'REDUCED_REDUNDANCY',
    authorization: header(
      'date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class',
      '98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd',
    ),
  });
  expect(answer).toBe('accepted sha256 0');
});

it.each([
  ['lifecycle', 'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543'],
  ['max-keys=2&prefix=J', '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7'],
])('accepts the documented GET of the bucket with ?%s', async (query, signature) => {
  const answer = await send('GET', `/?${query}`, {
    host: 'examplebucket.s3.amazonaws.com',
    'x-amz-content-sha256': emptySha256,
    'x-amz-date': '20130524T000000Z',
    authorization: header('host;x-amz-content-sha256;x-amz-date', signature),
  });
  expect(answer).toBe('accepted sha256 0');
});

it('accepts the documented presigned URL, and not with another signature', async () => {
  const signature = 'aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404';
  const url = `/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=${encodeURIComponent(scope)}&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=`;
  const headers = { host: 'examplebucket.s3.amazonaws.com' };
  expect(await send('GET', url + signature, headers)).toBe('accepted unsigned 0');
  const other = await send('GET', url + signature.replace('aeeed', 'beeed'), headers);
  expect(other).toContain('does not match');
});

it('accepts the documented upload in signed chunks, and not with a chunk changed', async () => {
  const signatures = [
    'ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648',
    '0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497',
    'b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9',
  ];
  const bodyOf = (letter: string) =>
    [65_536, 1024, 0].map(
      (sizeBytes, index) =>
        `${sizeBytes.toString(16)};chunk-signature=${signatures[index]}\r\n${letter.repeat(sizeBytes)}\r\n`,
    );
  const headers = {
    host: 's3.amazonaws.com',
    'content-encoding': 'aws-chunked',
    'content-length': '66824',
    'x-amz-content-sha256': 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
    'x-amz-date': '20130524T000000Z',
    'x-amz-decoded-content-length': '66560',
    'x-amz-storage-class': 'REDUCED_REDUNDANCY',
    authorization: header(
      'content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class',
      '4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9',
    ),
  };
  const path = '/examplebucket/chunkObject.txt';
  expect(await send('PUT', path, headers, bodyOf('a'))).toBe('accepted chunked 66560');
  expect(await send('PUT', path, headers, bodyOf('b'))).toContain('does not match');
});
