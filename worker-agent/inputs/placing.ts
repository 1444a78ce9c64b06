import { constants } from 'node:fs';
import { chmod, copyFile, link, stat } from 'node:fs/promises';
import { errorCode } from '../session/failure.ts';

/** From this size on a file that tasks need not change may be linked to the cache. */
const linkBytesMin = 8 * 1024 * 1024;

/** Why a file system makes no reference, or no link, between two of its files. */
const unable = new Set([
  'ENOTSUP',
  'EOPNOTSUPP',
  'ENOSYS',
  'EXDEV',
  'EINVAL',
  'ENOTTY',
  'EPERM',
  'EMLINK',
]);

export interface Placing {
  sizeBytes: number;
  executable: boolean;
  /** At no place where tasks write: they may find it read-only. */
  isReadOnly: boolean;
}

/**
 * Puts files of the cache into sessions. A reference copy (btrfs, XFS) costs nothing and is the task's
 * own. Where there is none, a large file that tasks need not change is linked, for reading only, and
 * everything else is copied. No links where permissions do not bind the tasks (root): one that writes
 * into its input would change that of all others.
 */
export class FilePlacer {
  readonly #links: boolean;
  #references = true;

  constructor(links: boolean) {
    this.#links = links;
  }

  /**
   * `target` must not be there. 'linked': it is the cache's own file, mode 0444. Throws as the file
   * system does.
   */
  async place(source: string, target: string, file: Placing): Promise<'copied' | 'linked'> {
    const isLarge = file.sizeBytes >= linkBytesMin;
    if (isLarge && this.#references && (await this.#refer(source, target))) {
      await chmod(target, modeOf(file));
      return 'copied';
    }
    const linkable = isLarge && this.#links && file.isReadOnly && !file.executable;
    if (linkable && (await this.#link(source, target))) return 'linked';
    await copyFile(source, target, constants.COPYFILE_EXCL);
    const { mode } = await stat(target);
    if ((mode & 0o777) !== modeOf(file)) await chmod(target, modeOf(file));
    return 'copied';
  }

  async #refer(source: string, target: string): Promise<boolean> {
    try {
      await copyFile(source, target, constants.COPYFILE_FICLONE_FORCE | constants.COPYFILE_EXCL);
      return true;
    } catch (error) {
      if (!unable.has(errorCode(error) ?? '')) throw error;
      this.#references = false;
      return false;
    }
  }

  async #link(source: string, target: string): Promise<boolean> {
    try {
      if (((await stat(source)).mode & 0o777) !== linkedMode) await chmod(source, linkedMode);
      await link(source, target);
      return true;
    } catch (error) {
      if (!unable.has(errorCode(error) ?? '')) throw error;
      return false;
    }
  }
}

export const modeOf = ({ executable }: { executable: boolean }): number =>
  executable ? 0o755 : 0o644;
const linkedMode = 0o444;
