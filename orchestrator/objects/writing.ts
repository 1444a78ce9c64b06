import { DeleteObjectCommand, DeleteObjectsCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import type { Bucket } from './bucket.ts';
import { copyObject } from './copy.ts';
import { attempt } from './errors.ts';
import type { ReadOperations } from './reading.ts';

export interface WriteOperations {
  putJson(key: string, value: unknown): Promise<void>;
  putText(key: string, text: string, contentType?: string): Promise<void>;
  /** Server-side copy of any size. Answers false when `from` is absent. */
  copy(from: string, to: string, signal?: AbortSignal): Promise<boolean>;
  /** Harmless when absent. */
  delete(key: string): Promise<void>;
  /** Of at most 1000 objects; harmless where absent. */
  deleteAll(keys: readonly string[]): Promise<void>;
  /** Answers how many objects it deleted. `prefix` must end in '/'. */
  deletePrefix(prefix: string): Promise<number>;
}

export function writeOperations(
  bucket: Bucket,
  { head, list }: Pick<ReadOperations, 'head' | 'list'>,
): WriteOperations {
  const { client, name } = bucket;
  const put = async (key: string, body: string, contentType: string) => {
    const command = { Bucket: name, Key: key, Body: body, ContentType: contentType };
    const sent = await attempt('put', () => client.send(new PutObjectCommand(command)));
    if (sent === undefined) throw new Error(`bucket "${name}" does not exist`);
  };
  return {
    putJson: (key, value) => put(key, JSON.stringify(value), 'application/json'),
    putText: (key, text, contentType = 'text/plain; charset=utf-8') => put(key, text, contentType),
    async copy(from, to, signal) {
      const source = await head(from);
      if (source === undefined) return false;
      const copied = await attempt('copy', () => copyObject(client, name, source, to, signal));
      return copied !== undefined;
    },
    async delete(key) {
      await attempt('delete', () =>
        client.send(new DeleteObjectCommand({ Bucket: name, Key: key })),
      );
    },
    deleteAll: (keys) => deleteAll(bucket, keys),
    async deletePrefix(prefix) {
      if (!prefix.endsWith('/')) throw new Error(`"${prefix}" is no prefix: it lacks its '/'`);
      let deleted = 0;
      for (;;) {
        const { items } = await list(prefix);
        if (items.length === 0) return deleted;
        await deleteAll(
          bucket,
          items.map((item) => item.key),
        );
        deleted += items.length;
      }
    },
  };
}

async function deleteAll({ client, name }: Bucket, keys: readonly string[]): Promise<void> {
  const answer = await attempt('delete', () =>
    client.send(
      new DeleteObjectsCommand({
        Bucket: name,
        Delete: { Quiet: true, Objects: keys.map((Key) => ({ Key })) },
      }),
    ),
  );
  const [failure] = answer?.Errors ?? [];
  if (failure !== undefined) {
    throw new Error(`can't delete ${failure.Key ?? 'an object'}: ${failure.Code ?? 'unknown'}`);
  }
}
