import { type FileHandle, open } from 'node:fs/promises';

const pieceBytes = 256 * 1024;

/** Reads a file at any place, with flat memory. */
export class FileBytes {
  readonly size: number;
  readonly #file: FileHandle;

  private constructor(file: FileHandle, size: number) {
    this.#file = file;
    this.size = size;
  }

  /** Throws as the file system does. */
  static async use<T>(path: string, read: (bytes: FileBytes) => Promise<T>): Promise<T> {
    const file = await open(path, 'r');
    try {
      return await read(new FileBytes(file, (await file.stat()).size));
    } finally {
      await file.close();
    }
  }

  /** Bytes from `offset`; fewer than `length` at the file's end. */
  async at(offset: number, length: number): Promise<Buffer> {
    const buffer = Buffer.allocUnsafe(Math.max(0, Math.min(length, this.size - offset)));
    let filled = 0;
    while (filled < buffer.length) {
      const { bytesRead } = await this.#file.read(
        buffer,
        filled,
        buffer.length - filled,
        offset + filled,
      );
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return buffer.subarray(0, filled);
  }

  /** Pieces from `from` up to, but not including, `to`. A piece is void once the next is asked for. */
  async *pieces(from: number, to: number = this.size): AsyncGenerator<Buffer> {
    const buffer = Buffer.allocUnsafe(Math.min(pieceBytes, Math.max(to - from, 0)));
    for (let at = from; at < to; ) {
      const { bytesRead } = await this.#file.read(buffer, 0, Math.min(buffer.length, to - at), at);
      if (bytesRead === 0) return;
      at += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  }
}

/** What is wrong with a file, in words that follow its name; undefined: it is whole. */
export type Fault = string | undefined;

export const truncated = (where: string): string => `is truncated: ends ${where}`;

/** The first bytes of a file that is not what its name says, for people. */
export function begins(head: Buffer): string {
  if (head.length === 0) return 'it is empty';
  const text = head.subarray(0, 8).toString('latin1');
  return /^[\x20-\x7e]+$/.test(text)
    ? `it begins with ${JSON.stringify(text)}`
    : `it begins with the bytes ${head.subarray(0, 8).toString('hex')}`;
}
