import { CreateBucketCommand } from '@aws-sdk/client-s3';
import { systemRandom } from '@karst/shared/random.ts';
import { afterAll, beforeAll, describe } from 'vitest';
import { checksumChecks } from './compatibility/checksums.ts';
import {
  type Connect,
  type Connection,
  clientOf,
  type Subject,
} from './compatibility/connection.ts';
import { listingChecks } from './compatibility/listing.ts';
import { multipartChecks } from './compatibility/multipart.ts';
import { objectChecks } from './compatibility/objects.ts';
import { signatureChecks } from './compatibility/signatures.ts';
import { writeChecks } from './compatibility/writes.ts';

const groups: [string, (subject: Subject) => void][] = [
  ['objects', objectChecks],
  ['conditional and concurrent writes', writeChecks],
  ['listing and buckets', listingChecks],
  ['multipart uploads', multipartChecks],
  ['checksums', checksumChecks],
  ['signatures', signatureChecks],
];

/**
 * What Karst needs of an S3 server, whoever wrote it. Each group works in a bucket of its own with a
 * fresh name, so the suite can run against a server that holds other things.
 */
export function s3CompatibilitySuite(connect: Connect): void {
  let connection: Connection;
  beforeAll(async () => {
    connection = await connect();
  });
  afterAll(() => connection.stop());

  describe.each(groups)('%s', (_, checks) => {
    // Filled in place: the checks hold on to it before the bucket exists.
    const subject = {} as Subject;
    beforeAll(async () => {
      const bucket = `karst-${systemRandom.uuid()}`;
      Object.assign(subject, { connection, client: clientOf(connection), bucket });
      await subject.client.send(new CreateBucketCommand({ Bucket: bucket }));
    });
    afterAll(() => subject.client.destroy());
    checks(subject);
  });
}
