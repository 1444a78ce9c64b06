import type { Checksums } from './checksums.ts';
import { bytesOf, type Index, integerOf, type Row, textOf } from './index-db.ts';
import { checksumsOf } from './objects.ts';

export type ListedObject = {
  key: string;
  etag: string;
  sizeBytes: number;
  modifiedMs: number;
  checksums: Checksums;
};

export type ListQuery = {
  bucket: string;
  prefix: string;
  /** '' for none. */
  delimiter: string;
  /** Only keys after this one; undefined starts at the beginning. */
  after: Cursor | undefined;
  itemsMax: number;
};

/** Where a page ended: at a key, or at a common prefix, all of whose keys are then behind. */
export type Cursor = { kind: 'key' | 'prefix'; value: string };

export type ListPage = {
  objects: ListedObject[];
  commonPrefixes: string[];
  /** Where the next page starts; undefined when this is the last one. */
  next: Cursor | undefined;
};

// 0xff never occurs in UTF-8, so `text + 0xff` sorts behind every key that starts with `text`.
const behindAll = (text: string) => Buffer.concat([Buffer.from(text), Buffer.from([0xff])]);

const justBehind = (key: Buffer) => Buffer.concat([key, Buffer.from([0])]);

const batchMax = 1000;
const select = `SELECT key, etag, size_bytes, modified_ms, checksums FROM object
  WHERE bucket = ? AND key >= ? AND key < ? ORDER BY key LIMIT ?`;

function listedObject(row: Row, key: string): ListedObject {
  return {
    key,
    etag: textOf(row, 'etag'),
    sizeBytes: integerOf(row, 'size_bytes'),
    modifiedMs: integerOf(row, 'modified_ms'),
    checksums: checksumsOf(row),
  };
}

/**
 * One page of a listing in UTF-8 byte order. Costs what the page holds, not what the bucket holds: it
 * seeks in the key index, and a common prefix is one seek past all its keys.
 */
export function listObjects(index: Index, query: ListQuery): ListPage {
  const page: ListPage = { objects: [], commonPrefixes: [], next: undefined };
  const { after, delimiter, prefix } = query;
  let from: Buffer = Buffer.from(prefix);
  if (after) {
    const resume =
      after.kind === 'key' ? justBehind(Buffer.from(after.value)) : behindAll(after.value);
    if (Buffer.compare(resume, from) > 0) from = resume;
  }
  let last: Cursor | undefined;
  // Grows while keys come, falls back to one while prefixes do: neither reads much in vain.
  let batch = delimiter === '' ? Math.min(query.itemsMax + 1, batchMax) : 1;
  while (query.itemsMax > 0) {
    const rows = index.all(select, query.bucket, from, behindAll(prefix), batch);
    if (rows.length === 0) return page;
    for (const row of rows) {
      if (page.objects.length + page.commonPrefixes.length === query.itemsMax) {
        page.next = last;
        return page;
      }
      const keyBytes = bytesOf(row, 'key');
      const key = keyBytes.toString('utf8');
      const cut = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length);
      if (cut >= 0) {
        last = { kind: 'prefix', value: key.slice(0, cut + delimiter.length) };
        page.commonPrefixes.push(last.value);
        from = behindAll(last.value);
        batch = 1;
        break;
      }
      last = { kind: 'key', value: key };
      page.objects.push(listedObject(row, key));
      from = justBehind(keyBytes);
      batch = Math.min(batch * 2, batchMax);
    }
  }
  return page;
}
