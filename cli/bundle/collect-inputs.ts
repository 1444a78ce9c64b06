import { realpath } from 'node:fs/promises';
import path from 'node:path';
import { boundedParallel } from '../bounded-parallel.ts';
import { type AssetPath, readAssetPaths } from './asset-paths.ts';
import { collectPath, exists } from './collect-path.ts';
import { checkInputCount } from './input-bounds.ts';
import { checkTreePath, chooseLocations, placeInside } from './locations.ts';
import { type OutsideTree, outsideTree, placeOutside } from './outside-tree.ts';
import { type PathValue, readPathValues, relativeInside } from './path-values.ts';
import type { Bundle } from './read-bundle.ts';
import type { SuppliedValues } from './supplied-values.ts';

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
  /** Places of what asset_references bring. */
  assets: string[];
  /** Places of directories that asset_references want collected. */
  outputs: string[];
  files: InputSource[];
  /** Directories without a file: a job's file tree does not hold them. */
  emptyDirCount: number;
  /** INOUT directories that are not there yet: the job starts without them. */
  absentDirs: string[];
  /** Where what lies outside the bundle stands, when asset_references or scenes brought any. */
  outside: OutsideTree;
}

/** A file or directory that travels because a scene names it. */
export interface SceneInput {
  absolutePath: string;
  objectType: 'FILE' | 'DIRECTORY';
}

const ASSETS_AT_ONCE = 32;

/**
 * Finds every file that the job's PATH parameters, asset references and scenes bring along. Refuses
 * what is missing or leaves.
 */
export async function collectInputs(
  bundle: Bundle,
  supplied: SuppliedValues,
  cwd: string,
  sceneInputs: readonly SceneInput[] = [],
): Promise<CollectedInputs> {
  const ofScenes = sceneInputs.map(({ absolutePath, objectType }): AssetPath => {
    const inBundle = relativeInside(bundle.rootDir, absolutePath);
    return { absolutePath, objectType, direction: 'in', inBundle };
  });
  const assets = [...(await readAssetPaths(bundle)), ...ofScenes];
  const { values, absentDirs } = await presentValues(readPathValues(bundle, supplied, cwd), assets);
  const bundleName = path.basename(bundle.rootDir) || 'bundle';
  const together = ofScenes.length > 0 && [...values, ...assets].some(isOutsideInput);
  const mayMove = together && bundle.assetReferences === undefined;
  const standing = {
    values: together ? values.map((value) => asOutside(value, mayMove)) : values,
    assets: together ? assets.map((asset) => asOutside(asset, false)) : assets,
  };
  const outside = treeOutside(standing.values, standing.assets, bundleName);
  const locations = chooseLocations(standing.values, bundleName, outside);
  const placed = assets.map((asset, index) => ({
    asset,
    place: placeOf(standing.assets[index] ?? asset, bundleName, outside),
  }));
  const found = new FoundFiles(await realpath(bundle.rootDir));
  for (const value of values) {
    const location = locations.get(value.name);
    if (value.direction === 'out' || value.direction === 'mentioned') continue;
    if (location !== undefined) await found.addValue(value, location);
  }
  const scenes = new Set(ofScenes);
  // A submitter may list each of thousands of textures.
  const brought = placed.filter(({ asset }) => asset.direction === 'in');
  await boundedParallel(brought, ASSETS_AT_ONCE, ({ asset, place }) =>
    found.addAsset(asset, place, scenes.has(asset)),
  );
  dropUnfounded(locations, values, found.files);
  const places = (direction: AssetPath['direction']) =>
    placed.filter(({ asset }) => asset.direction === direction).map(({ place }) => place);
  return {
    locations: Object.fromEntries(locations),
    assets: [...new Set(places('in'))],
    outputs: [...new Set(places('out'))],
    files: [...found.files.values()].sort((a, b) => (a.treePath < b.treePath ? -1 : 1)),
    emptyDirCount: found.emptyDirCount,
    absentDirs,
    outside: outside ?? [],
  };
}

type Placed = Pick<PathValue, 'inBundle' | 'direction' | 'alone'>;

const isOutsideInput = ({ direction, inBundle }: Placed): boolean =>
  direction === 'in' && inBundle === undefined;

/**
 * A scene in the bundle that names a texture above it: inputs stand where they do relative to each
 * other, so those of the bundle move into the tree of what lies outside. Outputs stay where they are
 * without such a scene.
 */
function asOutside<T extends Placed>(thing: T, outputsAlone: boolean): T {
  if (thing.direction !== 'out' && thing.direction !== 'inout') {
    return { ...thing, inBundle: undefined };
  }
  return outputsAlone ? { ...thing, alone: true } : thing;
}

/** The values that have a place: without what is absent and may be, and mentions of other paths. */
async function presentValues(all: readonly PathValue[], assets: readonly AssetPath[]) {
  const values: PathValue[] = [];
  const absentDirs: string[] = [];
  for (const value of all) {
    if (value.direction === 'mentioned' && !overlaps(value.absolutePath, assets)) continue;
    const mayBeAbsent = value.direction === 'inout' && value.objectType === 'DIRECTORY';
    const isAbsent =
      (mayBeAbsent || value.direction === 'bundled') && !(await exists(value.absolutePath));
    if (value.direction === 'bundled' && isAbsent) continue;
    if (isAbsent) absentDirs.push(value.absolutePath);
    values.push(isAbsent ? { ...value, direction: 'out' } : value);
  }
  return { values, absentDirs };
}

const overlaps = (absolutePath: string, assets: readonly AssetPath[]) =>
  assets.some(
    (asset) =>
      relativeInside(absolutePath, asset.absolutePath) !== undefined ||
      relativeInside(asset.absolutePath, absolutePath) !== undefined,
  );

function treeOutside(
  values: readonly PathValue[],
  assets: readonly AssetPath[],
  bundleName: string,
): OutsideTree | undefined {
  const isOutside = ({ inBundle, alone }: Pick<PathValue, 'inBundle' | 'alone'>) =>
    inBundle === undefined && alone !== true;
  // Without references to keep together, each thing stands under its own name.
  if (!assets.some(isOutside)) return undefined;
  const all = [...values, ...assets];
  const inside = all.filter(({ inBundle }) => inBundle !== undefined);
  const top = (place: string) => place.split('/')[0] ?? place;
  const taken = new Set(inside.map(({ inBundle }) => top(placeInside(inBundle, bundleName))));
  return outsideTree(all.filter(isOutside), taken);
}

function placeOf(asset: AssetPath, bundleName: string, outside: OutsideTree | undefined): string {
  const { inBundle, absolutePath } = asset;
  const place =
    inBundle === undefined && outside !== undefined
      ? placeOutside(outside, absolutePath)
      : placeInside(inBundle, bundleName);
  checkTreePath(place, `Asset ${absolutePath}`);
  return place;
}

/** A mention stands only where files of the job do: else its value is a path of the nodes. */
function dropUnfounded(
  locations: Map<string, string>,
  values: readonly PathValue[],
  files: ReadonlyMap<string, InputSource>,
): void {
  for (const { name, direction, objectType } of values) {
    const location = locations.get(name);
    if (direction !== 'mentioned' || location === undefined) continue;
    const isHeld =
      files.has(location) ||
      (objectType === 'DIRECTORY' &&
        [...files.keys()].some((treePath) => treePath.startsWith(`${location}/`)));
    if (!isHeld) locations.delete(name);
  }
}

class FoundFiles {
  readonly files = new Map<string, InputSource>();
  emptyDirCount = 0;
  readonly #bundleRealDir: string;

  constructor(bundleRealDir: string) {
    this.#bundleRealDir = bundleRealDir;
  }

  async addValue(value: PathValue, location: string): Promise<void> {
    const { absolutePath, objectType, direction, source, inBundle, name } = value;
    await this.#add(location, {
      absolutePath,
      objectType,
      eitherType: direction === 'bundled',
      mustStayInBundle: source !== 'given' && inBundle !== undefined,
      told: `Parameter ${name}`,
    });
  }

  async addAsset(asset: AssetPath, place: string, isOfScene: boolean): Promise<void> {
    const { absolutePath, objectType, inBundle } = asset;
    await this.#add(place, {
      absolutePath,
      objectType,
      eitherType: false,
      // Other tools list the files of a bundle; a scene is the person's own.
      mustStayInBundle: inBundle !== undefined && !isOfScene,
      told: isOfScene ? 'The scene' : 'Asset references',
    });
  }

  async #add(location: string, travelling: Parameters<typeof collectPath>[0]): Promise<void> {
    const { files, emptyDirCount } = await collectPath(travelling, location, this.#bundleRealDir);
    this.emptyDirCount += emptyDirCount;
    for (const file of files) this.files.set(file.treePath, file);
    checkInputCount(this.files.size);
  }
}
