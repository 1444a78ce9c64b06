import { lstat, realpath } from 'node:fs/promises';
import { join, sep } from 'node:path';
import type { TaskParameters } from '@karst/shared/openjd/resolved-job.ts';
import { matchesPattern, onlyPath, rootOf } from '@karst/shared/outputs/path-pattern.ts';
import {
  type CheckedJob,
  outputFilesMax,
  type TaskCheck,
  taskChecks,
} from '@karst/shared/outputs/task-checks.ts';
import { type OutputFile, treePathSchema } from '@karst/shared/protocol/files.ts';
import type { OutputCheck } from '@karst/shared/protocol/output-checks.ts';
import type { PartChecksum } from '@karst/shared/protocol/part-checksums.ts';
import { err, ok, type Result } from '@karst/shared/result.ts';
import { errorCode, type Failure } from '../session/failure.ts';
import { hashFile } from './hash-file.ts';
import type { OutputLocation } from './output-location.ts';
import { type FoundFile, scanTree, stampOf } from './scan-tree.ts';
import { type VerifyOptions, verifyOutputs, type WrittenFile } from './verify-outputs.ts';

/** An output on this node: what is reported of it and what its upload needs. */
export interface CollectedFile extends OutputFile {
  /** Absolute. */
  localPath: string;
  /** Base64, of each part, for files that travel as multipart uploads. */
  partSums?: string[];
  /** Equal stamps, equal content (as far as a file system tells). */
  stamp: string;
}

/** What a step's policy asks of its tasks' files, and what it takes to look. */
export interface OutputPolicy extends VerifyOptions {
  checks: readonly OutputCheck[];
  job: CheckedJob;
  /** Its tasks run together: a directory is one's to write, and may be left alone by the others. */
  isGang: boolean;
  /** Where the job's file tree is on this node. */
  filesDir: string;
  /** What parts of large files are told by. */
  partChecksum: PartChecksum;
}

type Files = ReadonlyMap<string, FoundFile>;

/**
 * Tells which files a task wrote: those that are new or changed below the output locations, and where
 * its step's policy collects more; and whether they are what the policy asks for.
 */
export class OutputWatch {
  readonly #locations: readonly OutputLocation[];
  readonly #policy: OutputPolicy;
  #checks: readonly TaskCheck[] = [];
  #before: Files = new Map();

  constructor(locations: readonly OutputLocation[], policy: OutputPolicy) {
    this.#locations = locations;
    this.#policy = policy;
  }

  /** Tasks of the step have nothing to collect. */
  get isIdle(): boolean {
    return this.#locations.length === 0 && this.#policy.checks.length === 0;
  }

  /** Before a task: remembers what is there. Answers why the task can't be looked after, if so. */
  async begin(task: TaskParameters): Promise<Failure | undefined> {
    if (this.isIdle) return undefined;
    const checks = taskChecks(this.#policy.checks, this.#policy.job, task);
    if (!checks.ok) return { kind: 'outputs', message: checks.error };
    this.#checks = checks.value;
    const before = await this.#scan();
    if (!before.ok) return before.error;
    this.#before = before.value;
    return undefined;
  }

  /** After a task that succeeded: the files it wrote, looked at and hashed. */
  async collect(): Promise<Result<CollectedFile[], Failure>> {
    const before = this.#before;
    const after = await this.#scan();
    if (!after.ok) return after;
    const missing = this.#missing(before, after.value);
    if (missing !== undefined) return refuse(missing);
    const written = new Map<string, WrittenFile>();
    const changed = [...after.value].filter(
      ([path, found]) => before.get(path)?.stamp !== found.stamp,
    );
    for (const [path, { kind, ...file }] of changed) if (kind === 'file') written.set(path, file);
    const there = (path: string) => before.has(path) && after.value.has(path);
    const verified = await verifyOutputs(this.#checks, written, there, this.#policy);
    if (!verified.ok) return verified;
    const collected: CollectedFile[] = [];
    for (const [path, found] of changed) {
      const file = await this.#collectOne(path, found);
      if (!file.ok) return file;
      if (file.value !== undefined) collected.push(file.value);
      if (collected.length > outputFilesMax) {
        return refuse(`wrote more than ${outputFilesMax} files`);
      }
    }
    return ok(collected);
  }

  async #collectOne(
    path: string,
    found: FoundFile,
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
      const hashed = await hashFile(found.localPath, this.#policy.partChecksum);
      const stamp = stampOf(await lstat(found.localPath, { bigint: true }));
      if (stamp !== found.stamp) return refuse(`${name} changed while it was being read`);
      return ok({ path, localPath: found.localPath, stamp, ...hashed });
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return refuse(`${name} vanished while it was being read`);
      throw error;
    }
  }

  /** What a required output lacks, in words. */
  #missing(before: Files, after: Files): string | undefined {
    const required = this.#locations.filter((location) => location.required);
    for (const { objectType, parameter, location } of required) {
      if (objectType === 'FILE' && !after.has(location)) {
        return `wrote no output ${location} (parameter ${parameter})`;
      }
    }
    const directories = required.filter(({ objectType }) => objectType === 'DIRECTORY');
    // Of a gang one task may write for all.
    if (directories.length === 0 || this.#policy.isGang) return undefined;
    const wrote = ([path, { stamp }]: [string, FoundFile]) =>
      before.get(path)?.stamp !== stamp &&
      directories.some(({ location }) => path.startsWith(`${location}/`));
    if ([...after].some(wrote)) return undefined;
    return `wrote no output in ${directories.map(({ location }) => location).join(' or ')}`;
  }

  async #scan(): Promise<Result<Map<string, FoundFile>, Failure>> {
    const found = new Map<string, FoundFile>();
    for (const { location, path } of this.#locations) await scanTree(location, path, found);
    for (const { collect, wanted } of this.#checks) {
      if (!collect) continue;
      const besides = new Map<string, FoundFile>();
      for (const root of new Set(
        wanted.map(({ pattern }) => onlyPath(pattern) ?? rootOf(pattern)),
      )) {
        const path = join(this.#policy.filesDir, root);
        if (!(await this.#isInTree(path)))
          return refuse(`${root} leads out of the job's file tree`);
        await scanTree(root, path, besides);
      }
      for (const [path, file] of besides) {
        if (found.has(path)) continue;
        if (wanted.some(({ pattern }) => matchesPattern(pattern, path))) found.set(path, file);
      }
    }
    return ok(found);
  }

  /** Absent: nothing there leads anywhere. */
  async #isInTree(path: string): Promise<boolean> {
    const real = await realpath(path).catch(() => undefined);
    if (real === undefined) return true;
    const root = await realpath(this.#policy.filesDir);
    return real === root || real.startsWith(root + sep);
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

const refuse = (message: string): Result<never, Failure> => err({ kind: 'outputs', message });
