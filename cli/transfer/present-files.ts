import { stat } from 'node:fs/promises';
import type { Clock } from '@karst/shared/clock.ts';
import { CliError, errnoCode } from '../failure.ts';
import type { FileContent } from './download-file.ts';
import { type FileStamp, sameStamp, stampOf } from './file-stamp.ts';
import type { HashCache } from './hash-cache.ts';
import { hashFile } from './hash-file.ts';

/** A stamp tells of all later writes once it is this old, where times have fractions of a second. */
const SETTLED_MS = 250;

/** Which files hold what they should, with as little reading as may be. */
export class PresentFiles {
  readonly #cache: HashCache | undefined;
  readonly #clock: Clock;
  /** Written a moment ago: too young to be remembered. */
  readonly #young: { file: string; stamp: FileStamp; sha256: string; atMs: number }[] = [];

  /** Without a cache every file is read. */
  constructor(cache: HashCache | undefined, clock: Clock) {
    this.#cache = cache;
    this.#clock = clock;
  }

  /** Whether `file` holds this content already. Throws CliError where that can't be seen. */
  async holds(file: string, content: FileContent, signal: AbortSignal): Promise<boolean> {
    const found = await stat(file, { bigint: true }).catch((error: unknown) => {
      if (errnoCode(error) === 'ENOENT' || errnoCode(error) === 'ENOTDIR') return undefined;
      throw new CliError(`${file} can't be looked at (${errnoCode(error)}).`, { cause: error });
    });
    if (found === undefined || !found.isFile()) return false;
    const stamp = stampOf(found);
    if (stamp.sizeBytes !== content.sizeBytes) return false;
    const known = await this.#cache?.find(file, stamp);
    if (known !== undefined) return known === content.sha256;
    const readFromMs = this.#clock.nowMs();
    const { sha256 } = await hashFile(file, { signal });
    await this.#cache?.remember(file, stamp, sha256, readFromMs);
    return sha256 === content.sha256;
  }

  /** For a file that was just written, with this content. */
  async written(file: string, { sha256 }: FileContent): Promise<void> {
    if (this.#cache === undefined) return;
    const stamp = stampOf(await stat(file, { bigint: true }));
    this.#young.push({ file, stamp, sha256, atMs: this.#clock.monotonicMs() });
    await this.#rememberSettled();
  }

  /** Keeps what was learned. Never fails. */
  async close(): Promise<void> {
    await this.#rememberSettled();
    await this.#cache?.flush();
  }

  async #rememberSettled(): Promise<void> {
    const nowMs = this.#clock.monotonicMs();
    for (let oldest = this.#young[0]; oldest; oldest = this.#young[0]) {
      if (nowMs - oldest.atMs < SETTLED_MS) return;
      this.#young.shift();
      const { file, stamp, sha256 } = oldest;
      const readFromMs = this.#clock.nowMs();
      const now = await stat(file, { bigint: true }).then(stampOf, () => undefined);
      if (now === undefined || !sameStamp(now, stamp)) continue;
      await this.#cache?.remember(file, stamp, sha256, readFromMs);
    }
  }
}
