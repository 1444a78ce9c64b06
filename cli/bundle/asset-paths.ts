import { realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import type { ReferencedPath } from '@karst/shared/bundle/asset-references.ts';
import { fieldErrorLine } from '../api/problem-error.ts';
import { boundedParallel } from '../bounded-parallel.ts';
import { CliError, errnoCode } from '../failure.ts';
import { relativeInside } from './path-values.ts';
import type { Bundle } from './read-bundle.ts';

/** What the bundle's asset_references bring or collect. */
export interface AssetPath {
  objectType: 'FILE' | 'DIRECTORY';
  direction: 'in' | 'out';
  absolutePath: string;
  /** As PathValue's. */
  inBundle: string | undefined;
}

const STATS_AT_ONCE = 32;

/**
 * The bundle's asset references, as paths of this machine. Throws CliError with every input that is
 * missing, is of the wrong kind, or is a link of the bundle that leads out of it.
 */
export async function readAssetPaths(bundle: Bundle): Promise<AssetPath[]> {
  const { assetReferences, rootDir } = bundle;
  if (assetReferences === undefined) return [];
  const { inputFiles, inputDirs, outputDirs } = assetReferences.value;
  const realRoot = await realpath(rootDir);
  const found: (AssetPath & { reference: ReferencedPath; problem?: string | undefined })[] = [
    ...inputFiles.map((reference) => locate(reference, 'FILE', 'in')),
    ...inputDirs.map((reference) => locate(reference, 'DIRECTORY', 'in')),
    ...outputDirs.map((reference) => locate(reference, 'DIRECTORY', 'out')),
  ];
  await boundedParallel(found, STATS_AT_ONCE, async (asset) => {
    if (asset.direction === 'in') asset.problem = await whyNot(asset, realRoot);
  });
  const details = found.flatMap(({ problem, reference: { at, line, column } }) =>
    problem === undefined
      ? []
      : [fieldErrorLine({ path: at, message: problem, line, column }, assetReferences.file)],
  );
  if (details.length === 0) return found;
  throw new CliError('The files that the bundle refers to are not as it says.', { details });

  function locate(
    reference: ReferencedPath,
    objectType: AssetPath['objectType'],
    direction: AssetPath['direction'],
  ) {
    const absolutePath = path.resolve(rootDir, reference.path);
    const inBundle = relativeInside(rootDir, absolutePath);
    return { objectType, direction, absolutePath, inBundle, reference };
  }
}

async function whyNot(
  { absolutePath, objectType, inBundle }: AssetPath,
  realRoot: string,
): Promise<string | undefined> {
  try {
    const target = await realpath(absolutePath);
    if (inBundle !== undefined && relativeInside(realRoot, target) === undefined) {
      return `${absolutePath} is a symbolic link that leads out of the bundle`;
    }
    const stats = await stat(target);
    if (objectType === 'FILE' ? stats.isFile() : stats.isDirectory()) return undefined;
    const expected = objectType === 'FILE' ? 'a file' : 'a directory';
    const actual = stats.isDirectory() ? 'a directory' : stats.isFile() ? 'a file' : 'neither';
    return `${absolutePath} is ${actual}; expected ${expected}`;
  } catch (error) {
    const code = errnoCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return `${absolutePath} does not exist`;
    return `${absolutePath} can't be read (${code})`;
  }
}
