import { afterAll, beforeAll, describe } from 'vitest';
import { objectStoreSuite } from '../http/objects.suite.ts';
import { startSeaweedFs } from '../support/seaweedfs.ts';
import type { TestStorage } from '../support/storage.ts';
import { s3CompatibilitySuite } from './compatibility.suite.ts';

/** SeaweedFS keeps keys as a tree of folders and files, as a file system does. */
const tree =
  'keys are paths of a tree: no name is a file and a folder at once, folder marks are not listed, ' +
  'and `a/1` comes before `a!`. Karst makes no such keys and takes listings in any order';
const plainPath =
  'treePathSchema allows no empty, `.` or `..` segment, no backslash, no control character';
const otherWords = 'refused all the same, with another code';
const checksumType = 'the checksum is there, its type is not said; Karst does not read it';

/** Where it differs from S3, and why Karst does not mind. */
const differences: Readonly<Record<string, string>> = {
  'objects > keeps an object beside another whose key continues it with a slash': tree,
  'objects > takes "trailing/" as a plain key': tree,
  'objects > takes "/leading" as a plain key': plainPath,
  'objects > takes "../../escape" as a plain key': plainPath,
  'objects > takes "./dot/../dots/." as a plain key': plainPath,
  'objects > takes "!*\'()~$,:;=@[]{}|\\\\^`" as a plain key': plainPath,
  'objects > takes "\\u0001 control" as a plain key': plainPath,
  'objects > takes "sp ace+plus%2Fpercent?query#hash&amp=" as a plain key':
    'listed with + for spaces when names are to be encoded, which Karst never asks for',
  'objects > takes keys of 1024 bytes':
    'a name between two slashes has 255 bytes at most, as on the nodes’ own file systems',
  'objects > copies bytes and metadata, and the copy outlives its source':
    'the copy’s ETag comes without its quotes; Karst does not read it',
  'listing and buckets > listing > lists keys in the order of their UTF-8 bytes': tree,
  'listing and buckets > listing > lists only keys with the prefix': tree,
  'listing and buckets > listing > rolls keys up to common prefixes at the delimiter': tree,
  'listing and buckets > listing > pages by 1 without losing or repeating a key': tree,
  'listing and buckets > listing > pages by 2 without losing or repeating a key': tree,
  'listing and buckets > listing > pages by 3 without losing or repeating a key': tree,
  'listing and buckets > listing > pages by 5 without losing or repeating a key': tree,
  'listing and buckets > listing > encodes names when asked, so that any key survives XML': tree,
  'listing and buckets > listing > pages the old listing by marker': tree,
  'listing and buckets > listing > refuses a continuation token it did not give':
    'taken as a key to start after; Karst sends the tokens it was given',
  'listing and buckets > buckets > refuses to delete a bucket that holds something':
    'Karst deletes no bucket',
  'multipart uploads > forgets an aborted upload and its parts':
    'aborting it again is accepted, which Karst takes either way',
  'multipart uploads > refuses a part number outside 1 to 10000': otherWords,
  'multipart uploads > makes a composite SHA-256 of the parts, and refuses parts that claim another':
    otherWords,
  'checksums > with SDK checksums WHEN_SUPPORTED > puts a stream and stores its bytes without any framing':
    'the bytes are right, `aws-chunked` stays as their encoding; Karst’s client is WHEN_REQUIRED',
  'checksums > verifies, keeps and returns CRC32': checksumType,
  'checksums > verifies, keeps and returns CRC32C': checksumType,
  'checksums > verifies, keeps and returns CRC64NVME': checksumType,
  'checksums > verifies, keeps and returns SHA1': checksumType,
  'checksums > verifies, keeps and returns SHA256': checksumType,
  'signatures > refuses every unsigned request': 'a bare POST is refused with 405 instead of 403',
  'signatures > refuses an expired presigned URL and one from the future':
    'one from the future is taken; Karst signs for now',
};

let server: TestStorage;
beforeAll(async () => {
  server = await startSeaweedFs();
});
afterAll(() => server.stop());
const shared = { stop: async () => undefined };

describe('the object store on SeaweedFS', () => {
  objectStoreSuite(async () => ({ ...server, ...shared }));
});

describe('SeaweedFS', () => {
  s3CompatibilitySuite(
    async () => {
      const { endpoint, accessKeyId, secretAccessKey } = server;
      return { endpoint, credentials: { accessKeyId, secretAccessKey }, ...shared };
      // Conditional writes: it has them, slowly, and Karst relies on none.
    },
    differences,
    ['conditional writes'],
  );
});
