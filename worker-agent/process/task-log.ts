import { fstatSync } from 'node:fs';
import { type FileHandle, open, unlink } from 'node:fs/promises';

/**
 * The file a slot's tasks print into, standard output and error together, appended in the order
 * written. One file serves task after task as long as nothing is printed; a file that was written to
 * is replaced, so that a process that escaped can't write into a later task's log.
 */
export class TaskLog {
  readonly #path: string;
  #file: FileHandle | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  get path(): string {
    return this.#path;
  }

  /** Ready for a task: there and empty. */
  async begin(): Promise<void> {
    if (this.#file !== undefined && this.sizeBytes() > 0) await this.close();
    this.#file ??= await open(this.#path, 'ax+', 0o600);
  }

  sizeBytes(): number {
    return this.#file === undefined ? 0 : fstatSync(this.#file.fd).size;
  }

  /** Up to `bytesMax` bytes from `position` on; empty at the end. */
  async read(position: number, bytesMax: number): Promise<Buffer> {
    if (this.#file === undefined) return Buffer.alloc(0);
    const wanted = Math.min(bytesMax, this.sizeBytes() - position);
    if (wanted <= 0) return Buffer.alloc(0);
    const { bytesRead, buffer } = await this.#file.read(Buffer.alloc(wanted), 0, wanted, position);
    return buffer.subarray(0, bytesRead);
  }

  async close(): Promise<void> {
    const file = this.#file;
    if (file === undefined) return;
    this.#file = undefined;
    await unlink(this.#path);
    await file.close();
  }
}
