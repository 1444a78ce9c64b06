import { lstat, realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import { CliError, errnoCode } from '../failure.ts';
import { chooseLocations } from './locations.ts';
import { type PathValue, readPathValues, relativeInside } from './path-values.ts';
import type { Bundle } from './read-bundle.ts';
import { walkDirectory } from './walk-directory.ts';

/** A file that travels with the job. */
export interface InputSource {
  /** Where it stands in the job's file tree. */
  treePath: string;
  absolutePath: string;
  executable: boolean;
}

export interface CollectedInputs {
  /** By parameter name. */
  locations: Record<string, string>;
  files: InputSource[];
  /** Directories without a file: a job's file tree does not hold them. */
  emptyDirCount: number;
  /** INOUT directories that are not there yet: the job starts without them. */
  absentDirs: string[];
}

const INPUTS_MAX = 200_000;

/** Finds every file that the job's PATH parameters bring along. Refuses what is missing or leaves. */
export async function collectInputs(
  bundle: Bundle,
  given: Readonly<Record<string, string>>,
  cwd: string,
): Promise<CollectedInputs> {
  const values: PathValue[] = [];
  const absentDirs: string[] = [];
  for (const value of readPathValues(bundle, given, cwd)) {
    const mayBeAbsent = value.direction === 'inout' && value.objectType === 'DIRECTORY';
    const isAbsent =
      (mayBeAbsent || value.direction === 'bundled') && !(await exists(value.absolutePath));
    if (value.direction === 'bundled' && isAbsent) continue;
    if (isAbsent) absentDirs.push(value.absolutePath);
    values.push(isAbsent ? { ...value, direction: 'out' } : value);
  }
  const bundleName = path.basename(bundle.rootDir) || 'bundle';
  const locations = chooseLocations(values, bundleName);
  const bundleRealDir = await realpath(bundle.rootDir);

  const files = new Map<string, InputSource>();
  let emptyDirCount = 0;
  for (const value of values) {
    const location = locations.get(value.name);
    if (value.direction === 'out' || location === undefined) continue;
    const found = await collectValue(value, location, bundleRealDir);
    emptyDirCount += found.emptyDirCount;
    for (const file of found.files) files.set(file.treePath, file);
    if (files.size > INPUTS_MAX) {
      throw new CliError(`The job brings more than ${INPUTS_MAX} files: a job can have no more.`);
    }
  }
  return {
    locations: Object.fromEntries(locations),
    files: [...files.values()].sort((a, b) => (a.treePath < b.treePath ? -1 : 1)),
    emptyDirCount,
    absentDirs,
  };
}

async function collectValue(value: PathValue, location: string, bundleRealDir: string) {
  const { absolutePath, name } = value;
  const told = `Parameter ${name}: ${absolutePath}`;
  const realPath = await realpath(absolutePath).catch((error: unknown) => {
    if (errnoCode(error) === 'ENOENT' || errnoCode(error) === 'ENOTDIR') {
      throw new CliError(`${told} does not exist.`, { cause: error });
    }
    throw new CliError(`${told} can't be read (${errnoCode(error)}).`, { cause: error });
  });
  const inBundle = relativeInside(bundleRealDir, realPath) !== undefined;
  if (value.source === 'default' && !inBundle) {
    throw new CliError(`${told} is a symbolic link that leads out of the bundle.`);
  }
  const found = await stat(realPath);
  const isDirectory = found.isDirectory();
  if (!isDirectory && !found.isFile()) {
    throw new CliError(`${told} is neither a regular file nor a directory.`);
  }
  if (isDirectory !== (value.objectType === 'DIRECTORY')) {
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
    told: `Parameter ${name}`,
  });
}

async function exists(file: string): Promise<boolean> {
  try {
    await lstat(file);
    return true;
  } catch (error) {
    if (errnoCode(error) === 'ENOENT' || errnoCode(error) === 'ENOTDIR') return false;
    throw new CliError(`${file} can't be read (${errnoCode(error)}).`, { cause: error });
  }
}
