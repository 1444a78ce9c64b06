import type { Piece } from './blobs.ts';
import { algorithms, type Checksums } from './checksums.ts';
import { S3Error } from './errors.ts';
import { type Index, integerOf, type Row, recordOf, textOf } from './index-db.ts';
import type { XmlNode } from './xml.ts';

/** What the index knows of one object. */
export type ObjectRecord = {
  id: number;
  etag: string;
  sizeBytes: number;
  modifiedMs: number;
  upload: string | undefined;
  /** Content and x-amz-meta-* headers, lower case. */
  headers: Record<string, string>;
  checksums: Checksums;
};

export type NewObject = Omit<ObjectRecord, 'id'> & { pieces: readonly Piece[] };

/** If-None-Match: * and If-Match of a write. */
export type WriteCondition = { mustNotExist: boolean; etag: string | undefined };
export const noCondition: WriteCondition = { mustNotExist: false, etag: undefined };

export const sameEtag = (left: string, right: string) =>
  left.replaceAll('"', '') === right.replaceAll('"', '');

export function requireBucket(index: Index, bucket: string): void {
  if (!index.one('SELECT name FROM bucket WHERE name = ?', bucket)) {
    throw new S3Error('NoSuchBucket');
  }
}

export function checksumsOf(row: Row): Checksums {
  const stored = recordOf(row, 'checksums');
  const checksums: Checksums = {};
  for (const algorithm of algorithms) {
    const value = stored[algorithm];
    if (value !== undefined) checksums[algorithm] = value;
  }
  return checksums;
}

/** Composite checksums end in -N; all others are of the whole object. */
export const checksumTypeOf = (checksums: Checksums) =>
  Object.values(checksums).some((value) => value.includes('-')) ? 'COMPOSITE' : 'FULL_OBJECT';

export function findObject(index: Index, bucket: string, key: string): ObjectRecord | undefined {
  const row = index.one(
    'SELECT * FROM object WHERE bucket = ? AND key = ?',
    bucket,
    Buffer.from(key),
  );
  if (!row) return undefined;
  return {
    id: integerOf(row, 'id'),
    etag: textOf(row, 'etag'),
    sizeBytes: integerOf(row, 'size_bytes'),
    modifiedMs: integerOf(row, 'modified_ms'),
    upload: row.upload === null ? undefined : textOf(row, 'upload'),
    headers: recordOf(row, 'headers'),
    checksums: checksumsOf(row),
  };
}

/** The object, or NoSuchBucket / NoSuchKey. */
export function getObject(index: Index, bucket: string, key: string): ObjectRecord {
  const found = findObject(index, bucket, key);
  if (found) return found;
  requireBucket(index, bucket);
  throw new S3Error('NoSuchKey');
}

export function piecesOf(index: Index, objectId: number): Piece[] {
  return index
    .all('SELECT blob, size_bytes FROM piece WHERE object = ? ORDER BY seq', objectId)
    .map((row) => ({ blob: textOf(row, 'blob'), sizeBytes: integerOf(row, 'size_bytes') }));
}

/** Throws when a write may not replace (or create) what is there now. */
export function checkWrite(existing: ObjectRecord | undefined, condition: WriteCondition): void {
  if (condition.mustNotExist && existing) throw new S3Error('PreconditionFailed');
  if (condition.etag === undefined) return;
  if (!existing) throw new S3Error('NoSuchKey');
  if (condition.etag !== '*' && !sameEtag(existing.etag, condition.etag)) {
    throw new S3Error('PreconditionFailed');
  }
}

/** True while an object (a copy shares its source's blobs) or an upload still needs the blob. */
export function isReferenced(index: Index, blob: string): boolean {
  return (
    index.one(
      'SELECT 1 FROM piece WHERE blob = ?1 UNION ALL SELECT 1 FROM part WHERE blob = ?1 LIMIT 1',
      blob,
    ) !== undefined
  );
}

/** Removes the rows of an object; returns the blobs nothing points at any more. Inside a commit. */
export function dropObject(index: Index, id: number): string[] {
  const pieces = piecesOf(index, id);
  index.run('DELETE FROM piece WHERE object = ?', id);
  index.run('DELETE FROM object WHERE id = ?', id);
  return pieces.map((piece) => piece.blob).filter((blob) => !isReferenced(index, blob));
}

/**
 * Puts an object in place of what has the key now, if the condition holds. Inside a commit. Returns
 * the blobs to discard.
 */
export function storeObject(
  index: Index,
  bucket: string,
  key: string,
  object: NewObject,
  condition: WriteCondition,
): string[] {
  requireBucket(index, bucket);
  const existing = findObject(index, bucket, key);
  checkWrite(existing, condition);
  // The new pieces go in before the old go out: a copy onto itself must keep its shared blobs.
  if (existing) index.run('DELETE FROM object WHERE id = ?', existing.id);
  const inserted = index.one(
    `INSERT INTO object (bucket, key, etag, size_bytes, modified_ms, upload, headers, checksums)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING id`,
    bucket,
    Buffer.from(key),
    object.etag,
    object.sizeBytes,
    object.modifiedMs,
    object.upload ?? null,
    JSON.stringify(object.headers),
    JSON.stringify(object.checksums),
  );
  if (!inserted) throw new Error('the index returned no object id');
  const id = integerOf(inserted, 'id');
  for (const [seq, piece] of object.pieces.entries()) {
    index.run('INSERT INTO piece VALUES (?, ?, ?, ?)', id, seq, piece.blob, piece.sizeBytes);
  }
  return existing ? dropObject(index, existing.id) : [];
}

/** Checksums as S3 puts them into XML results. */
export function checksumNodes(checksums: Checksums): XmlNode[] {
  return algorithms.map((algorithm) => [`Checksum${algorithm}`, checksums[algorithm]]);
}
