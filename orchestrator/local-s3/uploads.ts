import { type Algorithm, type Checksums, type ChecksumType, parseAlgorithm } from './checksums.ts';
import { S3Error } from './errors.ts';
import { type Index, integerOf, type Row, recordOf, textOf } from './index-db.ts';
import { checksumsOf, isReferenced } from './objects.ts';

/** A multipart upload in progress. */
export type Upload = {
  id: string;
  headers: Record<string, string>;
  /** Set when the client asked for a checksum at creation. */
  checksum: { algorithm: Algorithm; type: ChecksumType } | undefined;
};

export type Part = {
  number: number;
  blob: string;
  sizeBytes: number;
  /** MD5 as hex; of an upload with checksums another name, in hex as well. */
  etag: string;
  checksums: Checksums;
  modifiedMs: number;
};

export function findUpload(
  index: Index,
  bucket: string,
  key: string,
  id: string,
): Upload | undefined {
  const row = index.one(
    'SELECT * FROM upload WHERE id = ? AND bucket = ? AND key = ?',
    id,
    bucket,
    Buffer.from(key),
  );
  if (!row) return undefined;
  const checksum =
    row.algorithm === null
      ? undefined
      : {
          algorithm: parseAlgorithm(textOf(row, 'algorithm')),
          type:
            row.checksum_type === 'FULL_OBJECT' ? ('FULL_OBJECT' as const) : ('COMPOSITE' as const),
        };
  return { id, headers: recordOf(row, 'headers'), checksum };
}

export function getUpload(index: Index, bucket: string, key: string, id: string): Upload {
  const upload = findUpload(index, bucket, key, id);
  if (!upload) throw new S3Error('NoSuchUpload');
  return upload;
}

export function insertUpload(
  index: Index,
  bucket: string,
  key: string,
  nowMs: number,
  upload: Upload,
): void {
  index.run(
    'INSERT INTO upload VALUES (?, ?, ?, ?, ?, ?, ?)',
    upload.id,
    bucket,
    Buffer.from(key),
    nowMs,
    JSON.stringify(upload.headers),
    upload.checksum?.algorithm ?? null,
    upload.checksum?.type ?? null,
  );
}

function partOf(row: Row): Part {
  return {
    number: integerOf(row, 'number'),
    blob: textOf(row, 'blob'),
    sizeBytes: integerOf(row, 'size_bytes'),
    etag: textOf(row, 'etag'),
    checksums: checksumsOf(row),
    modifiedMs: integerOf(row, 'modified_ms'),
  };
}

/** Parts in order, after number `after`. */
export function partsOf(index: Index, upload: string, after = 0, limit = 10_000): Part[] {
  return index
    .all(
      'SELECT * FROM part WHERE upload = ? AND number > ? ORDER BY number LIMIT ?',
      upload,
      after,
      limit,
    )
    .map(partOf);
}

/** Puts a part in place of the one with its number. Inside a commit. Returns blobs to discard. */
export function storePart(index: Index, upload: string, part: Part): string[] {
  const replaced = index.one(
    'SELECT blob FROM part WHERE upload = ? AND number = ?',
    upload,
    part.number,
  );
  index.run(
    'INSERT OR REPLACE INTO part VALUES (?, ?, ?, ?, ?, ?, ?)',
    upload,
    part.number,
    part.blob,
    part.sizeBytes,
    part.etag,
    JSON.stringify(part.checksums),
    part.modifiedMs,
  );
  return replaced ? [textOf(replaced, 'blob')] : [];
}

/** Removes an upload and its parts; returns the blobs nothing points at any more. Inside a commit. */
export function dropUpload(index: Index, id: string): string[] {
  const blobs = partsOf(index, id).map((part) => part.blob);
  index.run('DELETE FROM part WHERE upload = ?', id);
  index.run('DELETE FROM upload WHERE id = ?', id);
  return blobs.filter((blob) => !isReferenced(index, blob));
}
