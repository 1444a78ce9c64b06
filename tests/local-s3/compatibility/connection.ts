import { S3Client, type S3ServiceException } from '@aws-sdk/client-s3';
import { expect } from 'vitest';

/** An S3 server to check, whoever wrote it. */
export type Connection = {
  /** http://host:port */
  endpoint: string;
  credentials: { accessKeyId: string; secretAccessKey: string };
  stop: () => Promise<void>;
};
export type Connect = () => Promise<Connection>;
export type ChecksumMode = 'WHEN_SUPPORTED' | 'WHEN_REQUIRED';

/** What a group of checks works with: set once its `beforeAll` has run. */
export type Subject = { connection: Connection; client: S3Client; bucket: string };

export function clientOf(
  connection: Pick<Connection, 'endpoint' | 'credentials'>,
  mode: ChecksumMode = 'WHEN_REQUIRED',
): S3Client {
  return new S3Client({
    endpoint: connection.endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: connection.credentials,
    requestChecksumCalculation: mode,
    responseChecksumValidation: mode,
    maxAttempts: 1,
  });
}

/** Expects a refusal with this S3 code and HTTP status. */
export async function expectRefusal(
  sent: Promise<unknown>,
  code: string,
  status: number,
): Promise<void> {
  const outcome = await sent.then(
    () => 'accepted',
    (error: S3ServiceException) => `${error.name} ${error.$metadata?.httpStatusCode}`,
  );
  expect(outcome).toBe(`${code} ${status}`);
}

/** Bytes that differ at every place a mix-up could hide: a repeating count, offset by `seed`. */
export function patterned(sizeBytes: number, seed = 0): Buffer {
  const bytes = Buffer.alloc(sizeBytes);
  for (let at = 0; at < sizeBytes; at += 1) bytes[at] = (at * 31 + (at >> 8) + seed) & 0xff;
  return bytes;
}
