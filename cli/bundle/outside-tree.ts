import path from 'node:path';
import { relativeInside } from './path-values.ts';

/** Where the things of a job that lie outside its bundle stand in its file tree. */
export interface OutsideTree {
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
): OutsideTree | undefined {
  const dirs = things.map(({ absolutePath, objectType }) =>
    objectType === 'DIRECTORY' ? absolutePath : path.dirname(absolutePath),
  );
  const [first, ...others] = dirs;
  if (first === undefined) return undefined;
  const dir = others.reduce(commonDir, first);
  const base = path.basename(dir) || 'outside';
  let name = base;
  for (let n = 2; taken.has(name); n++) name = `${base}-${n}`;
  return { dir, name };
}

/** The place of `absolutePath`, which lies in the tree's directory. */
export function placeOutside({ dir, name }: OutsideTree, absolutePath: string): string {
  const relative = relativeInside(dir, absolutePath);
  if (relative === undefined) throw new Error(`${absolutePath} does not lie in ${dir}`);
  return relative === '' ? name : `${name}/${relative}`;
}

function commonDir(a: string, b: string): string {
  let dir = a;
  while (relativeInside(dir, b) === undefined && path.dirname(dir) !== dir) dir = path.dirname(dir);
  return dir;
}
