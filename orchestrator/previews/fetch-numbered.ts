import { createWriteStream } from 'node:fs';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { mapConcurrently } from '../http/concurrency.ts';
import type { ObjectStore } from '../objects/store.ts';

const AT_ONCE = 8;

/** Fetches objects into `dir` as 00000000.jpg and on, in their order. Throws where one is absent. */
export async function fetchNumbered(
  objects: ObjectStore,
  keys: readonly string[],
  dir: string,
): Promise<void> {
  await mapConcurrently(keys, AT_ONCE, async (key, index) => {
    const body = await objects.getStream(key);
    if (body === undefined) throw new Error(`${key} is gone from storage`);
    const file = path.join(dir, `${String(index).padStart(8, '0')}.jpg`);
    await pipeline(body.stream, createWriteStream(file));
  });
}
