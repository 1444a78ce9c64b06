import type { PartChecksum } from '@karst/shared/protocol/part-checksums.ts';
import { FileChangedError, sameStamp, unreadable } from './file-stamp.ts';
import type { HashedFile } from './hash-inputs.ts';
import type { HashPool } from './hash-pool.ts';

/** A part of a file that travels in parts. */
export interface Part {
  /** From 1. */
  number: number;
  start: number;
  length: number;
}

/** How many sums are made ahead of the parts that are being sent. */
const AHEAD = 4;

/** The sums of a file's parts, made on other threads while parts before them are sent. */
export class PartSums {
  readonly #file: HashedFile;
  readonly #parts: readonly Part[];
  readonly #checksum: PartChecksum;
  readonly #pool: HashPool;
  /** By the part's number; each is asked for once. */
  readonly #sums = new Map<number, Promise<string>>();
  #begun = 0;

  /** `parts` in the order in which they will be asked for, more or less. */
  constructor(file: HashedFile, parts: readonly Part[], checksum: PartChecksum, pool: HashPool) {
    this.#file = file;
    this.#parts = parts;
    this.#checksum = checksum;
    this.#pool = pool;
  }

  /** Base64. Throws FileChangedError where the file is not what was hashed, CliError. */
  of(part: Part): Promise<string> {
    const sum = this.#sums.get(part.number) ?? this.#sum(part);
    this.#sums.delete(part.number);
    while (this.#begun < this.#parts.length && this.#sums.size < AHEAD) {
      const next = this.#parts[this.#begun++];
      if (next === undefined || next.number <= part.number) continue;
      const made = this.#sum(next);
      // Told to whoever asks for it, if anybody still does.
      made.catch(() => undefined);
      this.#sums.set(next.number, made);
    }
    return sum;
  }

  async #sum({ start, length }: Part): Promise<string> {
    const { absolutePath, stamp } = this.#file;
    const job = { file: absolutePath, algorithm: this.#checksum, range: { start, length } };
    const [outcome] = await this.#pool.hash([job], () => undefined);
    if (outcome?.kind === 'failed') throw unreadable(absolutePath, outcome.code);
    if (outcome?.kind !== 'hashed' || !sameStamp(outcome.stamp, stamp)) {
      throw new FileChangedError(absolutePath);
    }
    return Buffer.from(outcome.digest).toString('base64');
  }
}
