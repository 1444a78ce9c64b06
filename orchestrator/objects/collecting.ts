import { ListObjectsV2Command } from '@aws-sdk/client-s3';
import type { Bucket } from './bucket.ts';
import { attempt } from './errors.ts';
import type { Presign } from './presign.ts';

export interface DatedObject {
  /** What stands behind the prefix. */
  name: string;
  sizeBytes: number;
  /** When it was written, ms, by storage's clock. */
  writtenMs: number;
}

/** What garbage collection asks of storage. */
export interface CollectOperations {
  /** At most 1000 objects below `prefix` behind the name `after`, in the order of their names. */
  listDated(prefix: string, after: string): Promise<{ items: DatedObject[]; isLast: boolean }>;
  /** A URL that deletes `key` and that storage refuses `lifetimeSeconds` after `signedAtMs`. */
  presignDelete(key: string, signedAtMs: number, lifetimeSeconds: number): Promise<string>;
}

export const collectOperations = (
  { client, name }: Bucket,
  presign: Presign,
): CollectOperations => ({
  async listDated(prefix, after) {
    const command = { Bucket: name, Prefix: prefix, StartAfter: prefix + after };
    const answer = await attempt('list', () => client.send(new ListObjectsV2Command(command)));
    const items = (answer?.Contents ?? []).map(({ Key = '', Size = 0, LastModified }) => ({
      name: Key.slice(prefix.length),
      sizeBytes: Size,
      writtenMs: LastModified?.getTime() ?? Number.POSITIVE_INFINITY,
    }));
    return { items, isLast: answer?.IsTruncated !== true };
  },
  presignDelete: async (key, signedAtMs, lifetimeSeconds) =>
    presign({ method: 'DELETE', key, signedAtMs, expiresInSeconds: lifetimeSeconds }),
});
