import { lstat, realpath, stat } from 'node:fs/promises';
import { CliError, errnoCode } from '../failure.ts';
import type { InputSource } from './collect-inputs.ts';
import { relativeInside } from './path-values.ts';
import { walkDirectory } from './walk-directory.ts';

/** Something that travels with the job: a parameter's value or an asset reference. */
export interface TravellingPath {
  absolutePath: string;
  objectType: 'FILE' | 'DIRECTORY';
  /** Whether a file will do where a directory is expected. */
  eitherType: boolean;
  /** It may not resolve outside the bundle. */
  mustStayInBundle: boolean;
  /** How messages start: "Parameter Scene". */
  told: string;
}

/** The files of a path that travels. Refuses what is missing, of another kind, or leads out. */
export async function collectPath(
  { absolutePath, objectType, eitherType, mustStayInBundle, told: who }: TravellingPath,
  location: string,
  bundleRealDir: string,
): Promise<{ files: InputSource[]; emptyDirCount: number }> {
  const told = `${who}: ${absolutePath}`;
  const realPath = await realpath(absolutePath).catch((error: unknown) => {
    if (errnoCode(error) === 'ENOENT' || errnoCode(error) === 'ENOTDIR') {
      throw new CliError(`${told} does not exist.`, { cause: error });
    }
    throw new CliError(`${told} can't be read (${errnoCode(error)}).`, { cause: error });
  });
  const inBundle = relativeInside(bundleRealDir, realPath) !== undefined;
  if (mustStayInBundle && !inBundle) {
    throw new CliError(`${told} is a symbolic link that leads out of the bundle.`);
  }
  const found = await stat(realPath);
  const isDirectory = found.isDirectory();
  if (!isDirectory && !found.isFile()) {
    throw new CliError(`${told} is neither a regular file nor a directory.`);
  }
  if (isDirectory !== (objectType === 'DIRECTORY') && !(eitherType && !isDirectory)) {
    const [expected, actual] = isDirectory ? ['file', 'directory'] : ['directory', 'file'];
    throw new CliError(`${told} is a ${actual}, and the template expects a ${expected}.`);
  }
  if (!isDirectory) {
    const executable = (found.mode & 0o111) !== 0;
    return { files: [{ treePath: location, absolutePath, executable }], emptyDirCount: 0 };
  }
  // Links may lead anywhere in what is being submitted: this directory, or the bundle it is part of.
  return walkDirectory({
    dir: absolutePath,
    location,
    homeDir: inBundle ? bundleRealDir : realPath,
    told: who,
  });
}

export async function exists(file: string): Promise<boolean> {
  try {
    await lstat(file);
    return true;
  } catch (error) {
    if (errnoCode(error) === 'ENOENT' || errnoCode(error) === 'ENOTDIR') return false;
    throw new CliError(`${file} can't be read (${errnoCode(error)}).`, { cause: error });
  }
}
