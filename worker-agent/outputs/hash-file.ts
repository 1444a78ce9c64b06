import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { MULTIPART_THRESHOLD_BYTES, partSizeBytes } from '@karst/shared/protocol/files.ts';

export interface HashedFile {
  sha256: string;
  sizeBytes: number;
  /** Base64, one for each part; only for files above MULTIPART_THRESHOLD_BYTES. */
  partMd5?: string[];
}

const pieceBytes = 256 * 1024;

/** Hashes a file in one pass with flat memory. Throws as the file system does. */
export async function hashFile(path: string): Promise<HashedFile> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const multipart = size > MULTIPART_THRESHOLD_BYTES;
    const partBytes = partSizeBytes(size);
    const whole = createHash('sha256');
    const partMd5: string[] = [];
    const piece = Buffer.allocUnsafe(Math.min(pieceBytes, Math.max(size, 1)));
    let sizeBytes = 0;
    let part = createHash('md5');
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
        partMd5.push(part.digest('base64'));
        part = createHash('md5');
      }
    }
    return { sha256: whole.digest('hex'), sizeBytes, ...(multipart ? { partMd5 } : {}) };
  } finally {
    await file.close();
  }
}
