import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { Crc32 } from '@karst/shared/crc32.ts';
import { MULTIPART_THRESHOLD_BYTES, partSizeBytes } from '@karst/shared/protocol/files.ts';
import type { PartChecksum } from '@karst/shared/protocol/part-checksums.ts';

export interface HashedFile {
  sha256: string;
  sizeBytes: number;
  /** Base64, one for each part; only for files above MULTIPART_THRESHOLD_BYTES. */
  partSums?: string[];
}

const pieceBytes = 256 * 1024;

/** Hashes a file in one pass with flat memory. Throws as the file system does. */
export async function hashFile(path: string, partChecksum: PartChecksum): Promise<HashedFile> {
  const newSum = () => (partChecksum === 'crc32' ? new Crc32() : createHash('md5'));
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const multipart = size > MULTIPART_THRESHOLD_BYTES;
    const partBytes = partSizeBytes(size);
    const whole = createHash('sha256');
    const partSums: string[] = [];
    const piece = Buffer.allocUnsafe(Math.min(pieceBytes, Math.max(size, 1)));
    let sizeBytes = 0;
    let part = newSum();
    for (;;) {
      // A part ends inside no piece: pieces are cut at its end.
      const wanted = Math.min(piece.length, partBytes - (sizeBytes % partBytes));
      const { bytesRead } = await file.read(piece, 0, wanted, sizeBytes);
      if (bytesRead === 0) break;
      const bytes = piece.subarray(0, bytesRead);
      whole.update(bytes);
      sizeBytes += bytesRead;
      if (!multipart) continue;
      part.update(bytes);
      if (sizeBytes % partBytes === 0 || sizeBytes === size) {
        partSums.push(part.digest().toString('base64'));
        part = newSum();
      }
    }
    return { sha256: whole.digest('hex'), sizeBytes, ...(multipart ? { partSums } : {}) };
  } finally {
    await file.close();
  }
}
