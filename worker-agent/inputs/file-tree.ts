import { chmod, lstat, mkdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { InputFile } from '@karst/shared/protocol/files.ts';
import { stampOf } from '../outputs/scan-tree.ts';
import { errorCode } from '../session/failure.ts';
import { contentStampOf } from './content-stamp.ts';
import { type FilePlacer, modeOf, type Placing } from './placing.ts';

/** What a file must be. */
export type WantedFile = Pick<InputFile, 'sha256' | 'executable'>;

interface KnownFile {
  /** Of the content it was given, or that was published of it. */
  sha256: string;
  /** Equal: nobody has touched it since. */
  stamp: string;
  /** An environment has changed it as it was entered. */
  isAdapted: boolean;
  /** It is the cache's own file, for reading only: links to it, made elsewhere, move its ctime. */
  isLinked?: true;
  /** The step whose task wrote it; absent: it was brought. */
  step?: number;
}

const looksAtOnce = 64;

/**
 * A session's copy of the job's file tree. It knows the files that it was given and those that tasks
 * published from it, by content; what else environments and tasks leave there it does not touch. All
 * methods throw when the disk fails or when what was left there is in the way.
 */
export class FileTree {
  readonly dir: string;
  readonly #incomingDir: string;
  readonly #known = new Map<string, KnownFile>();
  /** Directories seen to be real ones since the last task. */
  readonly #checked = new Set<string>();
  #placed = 0;

  /** Files are completed in `incomingDir`, which is on the same disk. Both are made when needed. */
  constructor(dir: string, incomingDir: string) {
    this.dir = dir;
    this.#incomingDir = incomingDir;
  }

  get isEmpty(): boolean {
    return this.#known.size === 0;
  }

  /**
   * For tasks of `step`: removes what is known and not wanted, and tells what is wanted and not there as
   * it should be, to be placed. What tasks of the step itself wrote stays. Costs a look at each file.
   */
  async prepare(wanted: ReadonlyMap<string, WantedFile>, step: number): Promise<Set<string>> {
    this.#checked.clear();
    for (const [path, known] of [...this.#known]) {
      if (wanted.has(path) || known.step === step) continue;
      await this.#directory(dirname(path));
      await rm(join(this.dir, path), { force: true });
      this.#known.delete(path);
    }
    const lacking = new Set<string>();
    await severalAtOnce([...wanted], async ([path, file]) => {
      if (this.#known.get(path)?.step === step) return;
      if (!(await this.#holds(path, file))) lacking.add(path);
    });
    return lacking;
  }

  /** Brings a file of the cache here, see FilePlacer. */
  async place(
    path: string,
    file: WantedFile & Placing,
    source: string,
    placer: FilePlacer,
  ): Promise<void> {
    await this.#directory(dirname(path));
    const target = join(this.dir, path);
    let how: 'copied' | 'linked';
    try {
      how = await placer.place(source, target, file);
    } catch (error) {
      if (errorCode(error) !== 'EEXIST') throw error;
      const incoming = await this.#incoming();
      how = await placer.place(source, incoming, file);
      // Who has the former file open keeps it.
      await rename(incoming, target);
    }
    const isLinked = how === 'linked';
    const stamp = await this.#stamp(path, isLinked);
    if (stamp === undefined) return;
    const linked = isLinked ? { isLinked } : {};
    this.#known.set(path, { sha256: file.sha256, stamp, isAdapted: false, ...linked });
  }

  /** A task of `step` wrote these and they are in storage. */
  published(files: readonly { path: string; sha256: string; stamp: string }[], step: number): void {
    for (const { path, sha256, stamp } of files) {
      this.#known.set(path, { sha256, stamp, isAdapted: false, step });
    }
  }

  /** The environments were entered: what they changed is as it should be from here on. */
  async adapt(): Promise<void> {
    await severalAtOnce([...this.#known], async ([path, known]) => {
      const stamp = (await this.#stamp(path, known.isLinked)) ?? 'gone';
      if (stamp !== known.stamp) this.#known.set(path, { ...known, stamp, isAdapted: true });
    });
  }

  async #holds(path: string, file: WantedFile): Promise<boolean> {
    const known = this.#known.get(path);
    if (known === undefined) return false;
    const stats = await this.#look(path);
    const stamp = stats === undefined ? 'gone' : stampBy(known.isLinked)(stats);
    if (known.sha256 !== file.sha256 || known.stamp !== stamp) {
      if (!known.isAdapted) return false;
      throw new Error(`${path} must be brought anew, and an environment had changed it`);
    }
    // A link is a file of all: it gets no other mode, but is made a copy.
    if (known.isLinked) return known.isAdapted || !file.executable;
    if (known.isAdapted || (Number(stats?.mode) & 0o777) === modeOf(file)) return true;
    await chmod(join(this.dir, path), modeOf(file));
    this.#known.set(path, { ...known, stamp: (await this.#stamp(path)) ?? 'gone' });
    return true;
  }

  async #incoming(): Promise<string> {
    if (this.#placed === 0) await mkdir(this.#incomingDir, { recursive: true, mode: 0o700 });
    this.#placed += 1;
    return join(this.#incomingDir, String(this.#placed));
  }

  async #stamp(path: string, isLinked?: boolean): Promise<string | undefined> {
    const stats = await this.#look(path);
    return stats === undefined ? undefined : stampBy(isLinked)(stats);
  }

  async #look(path: string) {
    try {
      return await lstat(join(this.dir, path), { bigint: true });
    } catch (error) {
      if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') return undefined;
      throw error;
    }
  }

  /** Makes a directory of the tree; nothing is written through a link that a task has put there. */
  async #directory(path: string): Promise<void> {
    if (this.#checked.has(path)) return;
    const whole = join(this.dir, path);
    if (path === '.') {
      await mkdir(whole, { recursive: true });
    } else {
      await this.#directory(dirname(path));
      await mkdir(whole).catch((error: unknown) => {
        if (errorCode(error) !== 'EEXIST') throw error;
      });
    }
    if (!(await lstat(whole)).isDirectory()) throw new Error(`${whole} is no directory any more`);
    this.#checked.add(path);
  }
}

const stampBy = (isLinked: boolean | undefined) => (isLinked ? contentStampOf : stampOf);

async function severalAtOnce<T>(items: readonly T[], look: (item: T) => Promise<void>) {
  for (let from = 0; from < items.length; from += looksAtOnce) {
    await Promise.all(items.slice(from, from + looksAtOnce).map(look));
  }
}
