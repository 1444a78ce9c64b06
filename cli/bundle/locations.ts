import path from 'node:path';
import { treePathSchema } from '@karst/shared/protocol/files.ts';
import { CliError } from '../failure.ts';
import { type OutsideTree, placeOutside } from './outside-tree.ts';
import type { PathValue } from './path-values.ts';

/**
 * Where each parameter's file or directory stands in the job's file tree: as in the bundle if it is
 * inside, else in the outside tree if the job has one, else under its own name. Two different things
 * under one name would mix, so the later one moves into a directory named after its parameter.
 */
export function chooseLocations(
  values: readonly PathValue[],
  bundleName: string,
  outsideTree?: OutsideTree,
): Map<string, string> {
  const taken = new Map<string, string>();
  const locations = new Map<string, string>();
  // The bundle's own layout is kept as it is: those inside choose first.
  const inside = values.filter((value) => value.inBundle !== undefined);
  const outside = values
    .filter((value) => value.inBundle === undefined)
    .sort((a, b) => Number(a.alone ?? false) - Number(b.alone ?? false));
  for (const { name, dir } of outsideTree ?? []) taken.set(name, dir);
  for (const value of inside) place(value, placeInside(value.inBundle, bundleName));
  for (const value of outside) {
    if (outsideTree !== undefined && value.alone !== true) {
      place(value, placeOutside(outsideTree, value.absolutePath));
      continue;
    }
    const name = path.basename(value.absolutePath) || value.name;
    let location = name;
    for (let n = 1; collides(taken, location, value.absolutePath); n++) {
      location = n === 1 ? `${value.name}/${name}` : `${value.name}-${n}/${name}`;
    }
    place(value, location);
  }
  return locations;

  function place(value: PathValue, location: string): void {
    checkTreePath(location, `Parameter ${value.name}`);
    taken.set(location, value.absolutePath);
    locations.set(value.name, location);
  }
}

/** The place of something inside the bundle; the bundle's root itself stands under its name. */
export const placeInside = (inBundle: string | undefined, bundleName: string): string =>
  inBundle === undefined || inBundle === '' ? bundleName : inBundle;

/** Throws CliError, starting with `told`, for a place that no job's file tree can have. */
export function checkTreePath(location: string, told: string): void {
  const checked = treePathSchema.safeParse(location);
  if (checked.success) return;
  throw new CliError(
    `${told}: ${JSON.stringify(location)} can't be sent under that name: ` +
      `${checked.error.issues[0]?.message}.`,
  );
}

/** Whether `location` is, holds or lies in a place that something else has. */
function collides(taken: ReadonlyMap<string, string>, location: string, source: string): boolean {
  for (const [other, otherSource] of taken) {
    if (other === location && otherSource !== source) return true;
    if (other.startsWith(`${location}/`) || location.startsWith(`${other}/`)) return true;
  }
  return false;
}
