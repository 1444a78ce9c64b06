import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { DeleteObjectCommand, DeleteObjectsCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import type { Bucket } from './bucket.ts';
import { copyObject } from './copy.ts';
import { copySource } from './direct.ts';
import { attempt } from './errors.ts';
import type { ReadOperations } from './reading.ts';

export interface WriteOperations {
  putJson(key: string, value: unknown): Promise<void>;
  putText(key: string, text: string, contentType?: string): Promise<void>;
  /** Uploads a file of at most 5 GB in one piece. */
  putFile(key: string, file: string, contentType: string): Promise<void>;
  /**
   * Server-side copy of any size, which is asked for unless told. Answers false when `from` is absent.
   */
  copy(from: string, to: string, sizeBytes?: number): Promise<boolean>;
  /** Harmless when absent. */
  delete(key: string): Promise<void>;
  /** Of at most 1000 objects; harmless where absent. */
  deleteAll(keys: readonly string[]): Promise<void>;
  /** Answers how many objects it deleted. `prefix` must end in '/'. */
  deletePrefix(prefix: string): Promise<number>;
}

/** Larger texts are hashed and sent by the SDK: what it takes for them is nothing beside that. */
const DIRECT_CHARACTERS_MAX = 256 * 1024;

/** Larger copies take storage a while: the SDK waits longer. */
const DIRECT_COPY_BYTES_MAX = 256 * 1024 * 1024;

export function writeOperations(
  bucket: Bucket,
  { head, list }: Pick<ReadOperations, 'head' | 'list'>,
): WriteOperations {
  const { client, name, direct } = bucket;
  const put = async (key: string, body: string, contentType: string) => {
    if (body.length <= DIRECT_CHARACTERS_MAX) {
      const headers = { 'content-type': contentType };
      if ((await direct?.({ method: 'PUT', key, headers, body })) !== undefined) return;
    }
    const command = { Bucket: name, Key: key, Body: body, ContentType: contentType };
    const sent = await attempt('put', () => client.send(new PutObjectCommand(command)));
    if (sent === undefined) throw new Error(`bucket "${name}" does not exist`);
  };
  return {
    putJson: (key, value) => put(key, JSON.stringify(value), 'application/json'),
    putText: (key, text, contentType = 'text/plain; charset=utf-8') => put(key, text, contentType),
    async putFile(key, file, contentType) {
      const { size } = await stat(file);
      const sent = await attempt('put', () =>
        client.send(
          new PutObjectCommand({
            Bucket: name,
            Key: key,
            Body: createReadStream(file),
            ContentLength: size,
            ContentType: contentType,
          }),
        ),
      );
      if (sent === undefined) throw new Error(`bucket "${name}" does not exist`);
    },
    async copy(from, to, sizeBytes) {
      const source = sizeBytes === undefined ? await head(from) : { key: from, sizeBytes };
      if (source === undefined) return false;
      if (source.sizeBytes <= DIRECT_COPY_BYTES_MAX) {
        const headers = { 'x-amz-copy-source': copySource(name, from) };
        const done = await direct?.({ method: 'PUT', key: to, headers });
        // Storage may say 200 while it still copies, and an error behind that.
        if (done !== undefined && /<CopyObjectResult[\s>]/.test(done.body)) return true;
      }
      const copied = await attempt('copy', () => copyObject(client, name, source, to));
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
