import { Readable } from 'node:stream';
import { GetObjectCommand, HeadObjectCommand, ListObjectsV2Command } from '@aws-sdk/client-s3';
import { abortOptions, type Bucket } from './bucket.ts';
import { attempt } from './errors.ts';

export interface ObjectInfo {
  key: string;
  sizeBytes: number;
}
/** Inclusive byte offsets; without `end`, to the object's end. */
export interface ByteRange {
  start: number;
  end?: number;
}
export interface ObjectBody {
  stream: Readable;
  /** Of this answer, so of the range when one was asked for. */
  sizeBytes: number;
}
export interface ObjectPage {
  items: ObjectInfo[];
  nextCursor?: string;
}

/** Absent objects answer undefined. */
export interface ReadOperations {
  getJson(key: string): Promise<unknown>;
  getText(key: string): Promise<string | undefined>;
  getStream(key: string, range?: ByteRange, signal?: AbortSignal): Promise<ObjectBody | undefined>;
  head(key: string): Promise<ObjectInfo | undefined>;
  /**
   * The next segments of the keys below `prefix` that go on behind a '/': all its folders. Some stores
   * (SeaweedFS) tell of emptied ones for a while.
   */
  folders(prefix: string): Promise<string[]>;
  /**
   * At most `limit` (1 to 1000) objects below `prefix`, in the order of their keys' bytes; where a store
   * keeps keys as a tree (SeaweedFS), folder by folder.
   */
  list(prefix: string, cursor?: string, limit?: number): Promise<ObjectPage>;
}

export function readOperations({ client, name, direct }: Bucket): ReadOperations {
  const getText = (key: string) =>
    attempt('get', async () => {
      const answer = await client.send(new GetObjectCommand({ Bucket: name, Key: key }));
      return (await answer.Body?.transformToString('utf-8')) ?? '';
    });
  return {
    getText,
    async getJson(key) {
      const text = await getText(key);
      return text === undefined ? undefined : JSON.parse(text);
    },
    getStream: (key, range, signal) =>
      attempt('get', async () => {
        const Range = range === undefined ? undefined : `bytes=${range.start}-${range.end ?? ''}`;
        const command = new GetObjectCommand({ Bucket: name, Key: key, Range });
        const { Body, ContentLength } = await client.send(command, abortOptions(signal));
        if (!(Body instanceof Readable)) throw new Error('the S3 client answered without a stream');
        return { stream: Body, sizeBytes: ContentLength ?? 0 };
      }),
    async head(key) {
      const there = await direct?.({ method: 'HEAD', key });
      if (there !== undefined && there.contentLength >= 0) {
        return { key, sizeBytes: there.contentLength };
      }
      return await attempt('head', async () => {
        const answer = await client.send(new HeadObjectCommand({ Bucket: name, Key: key }));
        return { key, sizeBytes: answer.ContentLength ?? 0 };
      });
    },
    async folders(prefix) {
      const found: string[] = [];
      let cursor: string | undefined;
      do {
        const answer = await attempt('list', () =>
          client.send(
            new ListObjectsV2Command({
              Bucket: name,
              Prefix: prefix,
              Delimiter: '/',
              ContinuationToken: cursor,
            }),
          ),
        );
        for (const { Prefix } of answer?.CommonPrefixes ?? []) {
          if (Prefix !== undefined) found.push(Prefix.slice(prefix.length, -1));
        }
        cursor = answer?.NextContinuationToken;
      } while (cursor !== undefined);
      return found;
    },
    async list(prefix, cursor, limit = 1000) {
      const answer = await attempt('list', () =>
        client.send(
          new ListObjectsV2Command({
            Bucket: name,
            Prefix: prefix,
            MaxKeys: limit,
            ContinuationToken: cursor,
          }),
        ),
      );
      const items = (answer?.Contents ?? []).flatMap(({ Key, Size }) =>
        Key === undefined ? [] : [{ key: Key, sizeBytes: Size ?? 0 }],
      );
      const nextCursor = answer?.NextContinuationToken;
      return nextCursor === undefined ? { items } : { items, nextCursor };
    },
  };
}
