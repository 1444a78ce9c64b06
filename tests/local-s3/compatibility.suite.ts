import { CreateBucketCommand } from '@aws-sdk/client-s3';
import { systemRandom } from '@karst/shared/random.ts';
import { afterAll, beforeAll, beforeEach, describe } from 'vitest';
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
import { concurrentWriteChecks, conditionalWriteChecks } from './compatibility/writes.ts';

const groups: [string, (subject: Subject) => void][] = [
  ['objects', objectChecks],
  ['conditional writes', conditionalWriteChecks],
  ['concurrent writes', concurrentWriteChecks],
  ['listing and buckets', listingChecks],
  ['multipart uploads', multipartChecks],
  ['checksums', checksumChecks],
  ['signatures', signatureChecks],
];

/**
 * What Karst needs of an S3 server, whoever wrote it, and some more that S3 does. Each group works in
 * a bucket of its own with a fresh name, so the suite can run against a server that holds other
 * things. `differences`: checks, by their names behind the suite's, in which that server is known to
 * differ, and why that does not matter to Karst. Each must fail: one that passes is to be struck off.
 * `without`: groups that are left out.
 */
export function s3CompatibilitySuite(
  connect: Connect,
  differences: Readonly<Record<string, string>> = {},
  without: readonly string[] = [],
): void {
  let connection: Connection;
  const seen = new Set<string>();
  beforeAll(async () => {
    connection = await connect();
  });
  beforeEach(({ task }) => {
    const name = Object.keys(differences).find((one) => task.fullName.endsWith(` > ${one}`));
    if (name === undefined) return;
    seen.add(name);
    Object.assign(task, { fails: true });
  });
  afterAll(async () => {
    await connection.stop();
    const unknown = Object.keys(differences).filter((name) => !seen.has(name));
    if (unknown.length > 0) throw new Error(`no such checks: ${unknown.join('; ')}`);
  });

  describe.each(groups.filter(([name]) => !without.includes(name)))('%s', (_, checks) => {
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
