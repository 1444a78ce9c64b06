import { constants, type FileHandle, open, rm } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Writing past the page cache (O_DIRECT): large bodies that are made durable at once gain nothing from
 * a copy in memory, push out what others read, and where the host has to find each page first, as for
 * many a virtual machine, the copy costs more than all else (280 against 1,300 MB/s measured). Such
 * writes begin at whole blocks, in the file and in memory.
 */
const BLOCK_BYTES = 4096;
const BUFFER_BYTES = 1024 * 1024;
/** Less than this is not worth it. */
const BODY_BYTES_MIN = 4 * BUFFER_BYTES;
/** Each holds two buffers; who comes while all are under way writes the ordinary way. */
const WRITERS_MAX = 8;
const WASM_PAGE_BYTES = 64 * 1024;

/** TypeScript knows it for browsers only. */
declare const WebAssembly: {
  Memory: new (pages: { initial: number; maximum: number }) => { buffer: ArrayBuffer };
};

type Buffers = readonly [Uint8Array, Uint8Array];

export class DirectWrites {
  readonly #free: Buffers[];

  private constructor() {
    // Node's own buffers begin anywhere, WebAssembly's memory at a page.
    const pages = (WRITERS_MAX * 2 * BUFFER_BYTES) / WASM_PAGE_BYTES;
    const { buffer } = new WebAssembly.Memory({ initial: pages, maximum: pages });
    const at = (index: number) => new Uint8Array(buffer, index * BUFFER_BYTES, BUFFER_BYTES);
    this.#free = Array.from({ length: WRITERS_MAX }, (_, i): Buffers => [at(2 * i), at(2 * i + 1)]);
  }

  /** Undefined where files in `dir` take no such writes. */
  static async in(dir: string): Promise<DirectWrites | undefined> {
    if (constants.O_DIRECT === undefined) return undefined;
    const path = join(dir, 'direct-write-probe');
    const writes = new DirectWrites();
    const [[block] = [Buffer.alloc(0)]] = writes.#free;
    try {
      await rm(path, { force: true });
      const file = await openDirect(path);
      await file.write(block, 0, BLOCK_BYTES, 0).finally(() => file.close());
      return writes;
    } catch {
      // EINVAL says that there are none. What else is wrong here, a full disk, is told by ordinary writes.
      return undefined;
    } finally {
      await rm(path, { force: true });
    }
  }

  /** Undefined where a body of this size had better be written the ordinary way. Release it. */
  begin(sizeBytes: number): DirectWriter | undefined {
    const buffers = sizeBytes < BODY_BYTES_MIN ? undefined : this.#free.pop();
    return buffers && new DirectWriter(buffers, () => this.#free.push(buffers));
  }
}

/** Writes one body to one file. */
export class DirectWriter {
  #filling: Uint8Array;
  #writing: Uint8Array;
  #filled = 0;
  #position = 0;
  /** The write under way: one buffer fills while the other is written. */
  #written: Promise<void> = Promise.resolve();
  readonly release: () => void;

  constructor([filling, writing]: Buffers, release: () => void) {
    this.#filling = filling;
    this.#writing = writing;
    this.release = release;
  }

  /**
   * `file` is new, and by `openDirect`. Answers how many bytes it wrote. Nothing is under way any more
   * when it returns or throws.
   */
  async write(file: FileHandle, source: AsyncIterable<Buffer>): Promise<number> {
    try {
      for await (const chunk of source) await this.#add(file, chunk);
      const sizeBytes = this.#position + this.#filled;
      if (this.#filled > 0) {
        await this.#flush(file, Math.ceil(this.#filled / BLOCK_BYTES) * BLOCK_BYTES);
        await this.#written;
        await file.truncate(sizeBytes);
      }
      return sizeBytes;
    } finally {
      await this.#written;
    }
  }

  async #add(file: FileHandle, chunk: Buffer): Promise<void> {
    for (let from = 0; from < chunk.length; ) {
      const bytes = Math.min(chunk.length - from, BUFFER_BYTES - this.#filled);
      this.#filling.set(chunk.subarray(from, from + bytes), this.#filled);
      this.#filled += bytes;
      from += bytes;
      if (this.#filled === BUFFER_BYTES) await this.#flush(file, BUFFER_BYTES);
    }
  }

  async #flush(file: FileHandle, bytes: number): Promise<void> {
    await this.#written;
    [this.#filling, this.#writing] = [this.#writing, this.#filling];
    this.#written = writeAll(file, this.#writing.subarray(0, bytes), this.#position);
    // It is waited for with the next buffer, or at the end.
    this.#written.catch(() => undefined);
    this.#position += bytes;
    this.#filled = 0;
  }
}

/** A new file for a DirectWriter. */
export function openDirect(path: string): Promise<FileHandle> {
  const { O_WRONLY, O_CREAT, O_EXCL, O_DIRECT } = constants;
  return open(path, O_WRONLY | O_CREAT | O_EXCL | O_DIRECT);
}

async function writeAll(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}
