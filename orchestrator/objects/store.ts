import type { Readable } from 'node:stream';
import {
  CreateBucketCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import { type Clock, systemClock } from '@karst/shared/clock.ts';
import { createClient, type ObjectStoreConfig } from './client.ts';
import { copyObject } from './copy.ts';
import { classify, isAbsent, isS3Error } from './errors.ts';
import { createPresign, escapeUri, type Presign } from './presign.ts';
import { createUploads, type Uploads } from './uploads.ts';

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

/**
 * The farm's bucket. Absent objects answer undefined; outages throw ObjectStoreUnavailableError,
 * anything else the SDK's error.
 */
export interface ObjectStore extends Uploads {
  putJson(key: string, value: unknown): Promise<void>;
  putText(key: string, text: string, contentType?: string): Promise<void>;
  getJson(key: string): Promise<unknown>;
  getText(key: string): Promise<string | undefined>;
  getStream(key: string, range?: ByteRange, signal?: AbortSignal): Promise<ObjectBody | undefined>;
  head(key: string): Promise<ObjectInfo | undefined>;
  /** Server-side copy of any size. Answers false when `from` is absent. */
  copy(from: string, to: string, signal?: AbortSignal): Promise<boolean>;
  /** Harmless when absent. */
  delete(key: string): Promise<void>;
  /** Answers how many objects it deleted. `prefix` must end in '/'. */
  deletePrefix(prefix: string): Promise<number>;
  /** At most `limit` (1 to 1000) objects below `prefix`, in the order of their keys' bytes. */
  list(prefix: string, cursor?: string, limit?: number): Promise<ObjectPage>;
  presignGet(key: string, options?: PresignGetOptions): Promise<string>;
  ensureBucket(): Promise<void>;
  ping(signal?: AbortSignal): Promise<void>;
  close(): void;
}

export interface PresignGetOptions {
  expiresInSeconds?: number;
  /** Browsers save the answer under this name instead of showing it. */
  downloadAs?: string;
}

export const URL_LIFETIME_SECONDS = 3600;

export function createObjectStore(
  config: ObjectStoreConfig,
  clock: Clock = systemClock,
): ObjectStore {
  const client = createClient(config);
  const { bucket } = config;
  const presign = createPresign(client, config.publicEndpoint ?? config.endpoint, bucket, clock);

  /** Runs one call and tells outages apart; absence answers undefined. */
  const call = async <T>(operation: string, run: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await run();
    } catch (error) {
      if (isAbsent(error) && !isS3Error(error, 'NoSuchBucket')) return undefined;
      throw classify(operation, error);
    }
  };
  const put = async (key: string, body: string, contentType: string) => {
    const sent = await call('put', () =>
      client.send(
        new PutObjectCommand({ Bucket: bucket, Key: key, Body: body, ContentType: contentType }),
      ),
    );
    if (sent === undefined) throw new Error(`bucket "${bucket}" does not exist`);
  };

  const store: ObjectStore = {
    ...createUploads(client, bucket, presign),
    putJson: (key, value) => put(key, JSON.stringify(value), 'application/json'),
    putText: (key, text, contentType = 'text/plain; charset=utf-8') => put(key, text, contentType),
    async getJson(key) {
      const text = await store.getText(key);
      return text === undefined ? undefined : JSON.parse(text);
    },
    getText: (key) =>
      call('get', async () => {
        const answer = await client.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
        return (await answer.Body?.transformToString('utf-8')) ?? '';
      }),
    getStream: (key, range, signal) =>
      call('get', async () => {
        const answer = await client.send(
          new GetObjectCommand({
            Bucket: bucket,
            Key: key,
            Range: range === undefined ? undefined : `bytes=${range.start}-${range.end ?? ''}`,
          }),
          signal === undefined ? {} : { abortSignal: signal },
        );
        return { stream: readable(answer.Body), sizeBytes: answer.ContentLength ?? 0 };
      }),
    head: (key) =>
      call('head', async () => {
        const answer = await client.send(new HeadObjectCommand({ Bucket: bucket, Key: key }));
        return { key, sizeBytes: answer.ContentLength ?? 0 };
      }),
    async copy(from, to, signal) {
      const source = await store.head(from);
      if (source === undefined) return false;
      const copied = await call('copy', () => copyObject(client, bucket, source, to, signal));
      return copied !== undefined;
    },
    async delete(key) {
      await call('delete', () =>
        client.send(new DeleteObjectCommand({ Bucket: bucket, Key: key })),
      );
    },
    async deletePrefix(prefix) {
      if (!prefix.endsWith('/')) throw new Error(`"${prefix}" is no prefix: it lacks its '/'`);
      let deleted = 0;
      for (;;) {
        const { items } = await store.list(prefix);
        if (items.length === 0) return deleted;
        await deleteAll(items.map((item) => item.key));
        deleted += items.length;
      }
    },
    async list(prefix, cursor, limit = 1000) {
      const answer = await call('list', () =>
        client.send(
          new ListObjectsV2Command({
            Bucket: bucket,
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
    presignGet: (key, options = {}) => presignGet(presign, key, options),
    async ensureBucket() {
      const found = await call('head bucket', () =>
        client.send(new HeadBucketCommand({ Bucket: bucket })),
      );
      if (found !== undefined) return;
      try {
        await client.send(new CreateBucketCommand({ Bucket: bucket }));
      } catch (error) {
        // Another replica was faster.
        if (isS3Error(error, 'BucketAlreadyOwnedByYou', 'BucketAlreadyExists')) return;
        throw classify('create bucket', error);
      }
    },
    async ping(signal) {
      const found = await call('head bucket', () =>
        client.send(
          new HeadBucketCommand({ Bucket: bucket }),
          signal === undefined ? {} : { abortSignal: signal },
        ),
      );
      if (found === undefined) throw new Error(`bucket "${bucket}" does not exist`);
    },
    close: () => client.destroy(),
  };

  async function deleteAll(keys: string[]): Promise<void> {
    const answer = await call('delete', () =>
      client.send(
        new DeleteObjectsCommand({
          Bucket: bucket,
          Delete: { Quiet: true, Objects: keys.map((Key) => ({ Key })) },
        }),
      ),
    );
    const [failure] = answer?.Errors ?? [];
    if (failure !== undefined) {
      throw new Error(`can't delete ${failure.Key ?? 'an object'}: ${failure.Code ?? 'unknown'}`);
    }
  }
  return store;
}

const presignGet = (presign: Presign, key: string, options: PresignGetOptions) =>
  presign({
    method: 'GET',
    key,
    query:
      options.downloadAs === undefined
        ? {}
        : { 'response-content-disposition': attachment(options.downloadAs) },
    expiresInSeconds: options.expiresInSeconds ?? URL_LIFETIME_SECONDS,
  });

/** RFC 6266: an ASCII fallback, then the real name. */
function attachment(name: string): string {
  const ascii = name.replace(/[^ -~]|["\\%]/g, '_');
  return `attachment; filename="${ascii}"; filename*=UTF-8''${escapeUri(name)}`;
}

function readable(body: unknown): Readable {
  if (body instanceof Object && 'pipe' in body && 'destroy' in body) return body as Readable;
  throw new Error('the S3 client answered without a Node stream');
}
