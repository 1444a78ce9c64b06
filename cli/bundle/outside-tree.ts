import path from 'node:path';
import { type Paths, relativeInside } from './path-values.ts';

/**
 * Where the things of a job that lie outside its bundle stand in its file tree: one directory, on
 * Windows one for each drive or share.
 */
export type OutsideTree = readonly OutsideDirectory[];

export interface OutsideDirectory {
  /** The deepest directory that holds them all. */
  dir: string;
  /** The name of that directory in the job's file tree. */
  name: string;
}

interface OutsideThing {
  absolutePath: string;
  objectType: 'FILE' | 'DIRECTORY';
}

/**
 * Keeps files outside the bundle as they lie to each other, so that a scene's relative references to
 * its textures hold. `taken` are names at the top of the job's file tree.
 */
export function outsideTree(
  things: readonly OutsideThing[],
  taken: ReadonlySet<string>,
  paths: Paths = path,
): OutsideTree {
  const dirs = new Map<string, string>();
  for (const { absolutePath, objectType } of things) {
    const dir = objectType === 'DIRECTORY' ? absolutePath : paths.dirname(absolutePath);
    const drive = paths.parse(dir).root.toLowerCase();
    dirs.set(drive, commonDir(dirs.get(drive) ?? dir, dir, paths));
  }
  const names = new Set(taken);
  return [...dirs.values()].map((dir) => {
    const base = paths.basename(dir) || 'outside';
    let name = base;
    for (let n = 2; names.has(name); n++) name = `${base}-${n}`;
    names.add(name);
    return { dir, name };
  });
}

/** The place of `absolutePath`, which lies in one of the tree's directories. */
export function placeOutside(tree: OutsideTree, absolutePath: string, paths: Paths = path): string {
  for (const { dir, name } of tree) {
    const relative = relativeInside(dir, absolutePath, paths);
    if (relative !== undefined) return relative === '' ? name : `${name}/${relative}`;
  }
  throw new Error(`${absolutePath} does not lie in ${tree.map(({ dir }) => dir).join(', ')}`);
}

function commonDir(a: string, b: string, paths: Paths): string {
  let dir = a;
  while (relativeInside(dir, b, paths) === undefined && paths.dirname(dir) !== dir) {
    dir = paths.dirname(dir);
  }
  return dir;
}
