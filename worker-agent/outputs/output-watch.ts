import type { BigIntStats, Dirent } from 'node:fs';
import { lstat, readdir, realpath } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { type OutputFile, treePathSchema } from '@karst/shared/protocol/files.ts';
import { err, ok, type Result } from '@karst/shared/result.ts';
import { errorCode, type Failure } from '../session/failure.ts';
import { hashFile } from './hash-file.ts';
import type { OutputLocation } from './output-location.ts';

/** An output on this node: what is reported of it and what its upload needs. */
export interface CollectedFile extends OutputFile {
  /** Absolute. */
  localPath: string;
  /** Base64 MD5 of each part, for files that travel as multipart uploads. */
  partMd5?: string[];
  /** Equal stamps, equal content (as far as a file system tells). */
  stamp: string;
}

interface Found {
  localPath: string;
  stamp: string;
  kind: 'file' | 'link';
}

const filesMax = 10_000;

/** Tells which files a task wrote: those below the output locations that are new or changed. */
export class OutputWatch {
  readonly #locations: readonly OutputLocation[];
  #before: ReadonlyMap<string, Found> | undefined;

  constructor(locations: readonly OutputLocation[]) {
    this.#locations = locations;
  }

  /** Before a task: remembers what is there. */
  async begin(): Promise<void> {
    if (this.#locations.length > 0) this.#before = await this.#scan();
  }

  /** After a task that succeeded: the files it wrote, hashed. */
  async collect(): Promise<Result<CollectedFile[], Failure>> {
    const before = this.#before ?? new Map<string, Found>();
    const after = await this.#scan();
    const missing = this.#missing(before, after);
    if (missing !== undefined) return refuse(missing);
    const collected: CollectedFile[] = [];
    for (const [path, found] of after) {
      if (before.get(path)?.stamp === found.stamp) continue;
      const file = await this.#collectOne(path, found);
      if (!file.ok) return file;
      if (file.value !== undefined) collected.push(file.value);
      if (collected.length > filesMax) return refuse(`wrote more than ${filesMax} files`);
    }
    return ok(collected);
  }

  async #collectOne(
    path: string,
    found: Found,
  ): Promise<Result<CollectedFile | undefined, Failure>> {
    const name = JSON.stringify(path);
    if (found.kind === 'link') {
      return (await this.#staysInside(found.localPath))
        ? ok(undefined)
        : refuse(`${name} is a symbolic link that leaves its output directory`);
    }
    const valid = treePathSchema.safeParse(path);
    if (!valid.success) {
      return refuse(`${name} can't be stored: ${valid.error.issues[0]?.message ?? 'bad name'}`);
    }
    try {
      const hashed = await hashFile(found.localPath);
      const stamp = stampOf(await lstat(found.localPath, { bigint: true }));
      if (stamp !== found.stamp) return refuse(`${name} changed while it was being read`);
      return ok({ path, localPath: found.localPath, stamp, ...hashed });
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return refuse(`${name} vanished while it was being read`);
      throw error;
    }
  }

  /** What a required output lacks, in words. */
  #missing(
    before: ReadonlyMap<string, Found>,
    after: ReadonlyMap<string, Found>,
  ): string | undefined {
    const required = this.#locations.filter((location) => location.required);
    for (const { objectType, parameter, location } of required) {
      if (objectType === 'FILE' && !after.has(location)) {
        return `wrote no output ${location} (parameter ${parameter})`;
      }
    }
    const directories = required.filter(({ objectType }) => objectType === 'DIRECTORY');
    if (directories.length === 0) return undefined;
    const wrote = ([path, { stamp }]: [string, Found]) =>
      before.get(path)?.stamp !== stamp &&
      directories.some(({ location }) => path.startsWith(`${location}/`));
    if ([...after].some(wrote)) return undefined;
    return `wrote no output in ${directories.map(({ location }) => location).join(' or ')}`;
  }

  async #scan(): Promise<Map<string, Found>> {
    const found = new Map<string, Found>();
    for (const { location, path } of this.#locations) await scanEntry(location, path, found);
    return found;
  }

  async #staysInside(link: string): Promise<boolean> {
    let target: string;
    try {
      target = await realpath(link);
    } catch {
      // It leads nowhere, so there is nothing to publish and nothing to give away.
      return true;
    }
    for (const { path } of this.#locations) {
      if (path === link) continue;
      const root = await realpath(path).catch(() => path);
      if (target === root || target.startsWith(root + sep)) return true;
    }
    return false;
  }
}

async function scanEntry(
  treePath: string,
  localPath: string,
  found: Map<string, Found>,
): Promise<void> {
  const stats = await lstatIfThere(localPath);
  if (stats === undefined) return;
  if (stats.isDirectory()) {
    for (const entry of await entriesOf(localPath)) {
      await scanEntry(`${treePath}/${entry.name}`, join(localPath, entry.name), found);
    }
  } else if (stats.isFile() || stats.isSymbolicLink()) {
    const kind = stats.isFile() ? 'file' : 'link';
    found.set(treePath, { localPath, kind, stamp: stampOf(stats) });
  }
}

async function entriesOf(dir: string): Promise<Dirent[]> {
  try {
    return await readdir(dir, { withFileTypes: true });
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  }
}

async function lstatIfThere(path: string): Promise<BigIntStats | undefined> {
  try {
    return await lstat(path, { bigint: true });
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') return undefined;
    throw error;
  }
}

export const stampOf = ({ ino, size, mtimeNs, ctimeNs }: BigIntStats): string =>
  `${ino}:${size}:${mtimeNs}:${ctimeNs}`;

const refuse = (message: string): { ok: false; error: Failure } =>
  err({ kind: 'outputs', message });
