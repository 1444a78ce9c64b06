import type { Dirent } from 'node:fs';
import { readdir, realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import { treePathSchema } from '@karst/shared/protocol/files.ts';
import { boundedParallel } from '../bounded-parallel.ts';
import { CliError, errnoCode } from '../failure.ts';
import type { InputSource } from './collect-inputs.ts';
import { checkInputCount } from './input-bounds.ts';
import { relativeInside } from './path-values.ts';

interface Walk {
  /** The directory to walk. */
  dir: string;
  /** Its place in the job's file tree. */
  location: string;
  /** Symbolic links must lead to somewhere in this real directory. */
  homeDir: string;
  /** How messages start. */
  told: string;
}

interface Walked {
  files: InputSource[];
  emptyDirCount: number;
}

interface Finding extends Walked {
  /** How often each real directory was come to. */
  visits: Map<string, number>;
}

/** Links to links make millions of a few directories: somebody's mistake, or worse. */
const VISITS_MAX = 2000;

const ENTRIES_AT_ONCE = 16;

/**
 * Every regular file below a directory. Symbolic links are followed while they stay inside; links
 * that leave, loops, and things that are no files (sockets, devices) are refused, not skipped.
 */
export async function walkDirectory(walk: Walk): Promise<Walked> {
  const finding: Finding = { files: [], emptyDirCount: 0, visits: new Map() };
  await visit(walk, finding, { dir: walk.dir, location: walk.location, above: [] });
  return finding;
}

interface Place {
  dir: string;
  location: string;
  /** Real paths of the directories on the way here: one met again is a loop. */
  above: readonly string[];
}

async function visit(walk: Walk, finding: Finding, place: Place): Promise<void> {
  const realDir = await realpath(place.dir);
  if (place.above.includes(realDir)) {
    throw new CliError(`${walk.told}: ${place.dir} is a symbolic link to a directory it lies in.`);
  }
  const visits = (finding.visits.get(realDir) ?? 0) + 1;
  finding.visits.set(realDir, visits);
  if (visits > VISITS_MAX) {
    const ways = `symbolic links lead to it by more than ${VISITS_MAX} ways`;
    throw new CliError(`${walk.told}: ${realDir} can't be sent: ${ways}.`);
  }
  const entries = await readEntries(walk, place.dir);
  if (entries.length === 0) finding.emptyDirCount++;
  const above = [...place.above, realDir];
  const dirs: Place[] = [];
  const look = async ({ name, entry }: Entry) => {
    const file = path.join(place.dir, name);
    const location = `${place.location}/${name}`;
    if (entry.isSymbolicLink()) await checkLink(walk, file);
    const kind = entry.isSymbolicLink() ? await stat(file) : entry;
    if (kind.isDirectory()) {
      dirs.push({ dir: file, location, above });
    } else if (kind.isFile()) {
      finding.files.push(await inputSource(walk, file, location));
      checkInputCount(finding.files.length);
    } else {
      throw new CliError(`${walk.told}: ${file} is neither a regular file nor a directory.`);
    }
  };
  await boundedParallel(entries, ENTRIES_AT_ONCE, look);
  for (const dir of dirs) await visit(walk, finding, dir);
}

interface Entry {
  name: string;
  entry: Dirent<NonSharedBuffer>;
}

/** Names come as bytes: one that is not UTF-8 must be told, and a string would have lost it. */
async function readEntries(walk: Walk, dir: string): Promise<Entry[]> {
  let entries: Dirent<NonSharedBuffer>[];
  try {
    entries = await readdir(dir, { withFileTypes: true, encoding: 'buffer' });
  } catch (error) {
    throw new CliError(`${walk.told}: ${dir} can't be read (${errnoCode(error)}).`, {
      cause: error,
    });
  }
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  return entries.map((entry) => {
    try {
      return { name: decoder.decode(entry.name), entry };
    } catch (error) {
      throw new CliError(
        `${walk.told}: a name in ${dir} is not UTF-8 (${entry.name.toString('latin1')}).`,
        { cause: error },
      );
    }
  });
}

async function checkLink(walk: Walk, file: string): Promise<void> {
  let target: string;
  try {
    target = await realpath(file);
  } catch (error) {
    const code = errnoCode(error);
    const what =
      code === 'ENOENT' ? 'is a symbolic link to nothing' : `can't be followed (${code})`;
    throw new CliError(`${walk.told}: ${file} ${what}.`, { cause: error });
  }
  if (relativeInside(walk.homeDir, target) === undefined) {
    throw new CliError(
      `${walk.told}: ${file} is a symbolic link that leads out of ${walk.homeDir} (to ${target}).`,
    );
  }
}

async function inputSource(walk: Walk, file: string, location: string): Promise<InputSource> {
  const checked = treePathSchema.safeParse(location);
  if (!checked.success) {
    throw new CliError(
      `${walk.told}: ${JSON.stringify(file)} can't be sent under its name: ` +
        `${checked.error.issues[0]?.message}.`,
    );
  }
  const { mode } = await stat(file);
  return { treePath: location, absolutePath: file, executable: (mode & 0o111) !== 0 };
}
