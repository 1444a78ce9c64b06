import type { Problem, ProblemPath } from '../openjd/problem.ts';
import { describe, type TemplateMap, type TemplateValue } from '../openjd/template-value.ts';
import { findControlCharacter } from '../openjd/text-rules.ts';
import type { Result } from '../result.ts';
import {
  isNothing,
  type Place,
  type Reading,
  readBundleFile,
  readKeys,
  readOptionalList,
} from './document.ts';

/** A path as the file has it: absolute, or relative to the bundle's directory. */
export interface ReferencedPath extends Place {
  readonly path: string;
  /** Where in the file it stands: ["assetReferences", "inputs", "filenames", 0]. */
  readonly at: ProblemPath;
}

/** A bundle's asset_references file. */
export interface AssetReferences {
  readonly inputFiles: readonly ReferencedPath[];
  readonly inputDirs: readonly ReferencedPath[];
  readonly outputDirs: readonly ReferencedPath[];
  /** Paths the job mentions; their content is neither brought nor collected. */
  readonly mentioned: readonly ReferencedPath[];
}

const noReferences: AssetReferences = {
  inputFiles: [],
  inputDirs: [],
  outputDirs: [],
  mentioned: [],
};

/** Parses asset_references.yaml or .json. Every problem of the file, with line and column. */
export function parseAssetReferences(
  source: string,
  format: 'yaml' | 'json',
): Result<AssetReferences, Problem[]> {
  return readBundleFile(source, format, readFile);
}

function readFile(reading: Reading, document: TemplateValue): AssetReferences {
  if (isNothing(document)) return noReferences;
  const root = readKeys(reading, document, [], {
    what: 'an asset_references file',
    required: ['assetReferences'],
    optional: [],
  });
  const references = root?.get('assetReferences');
  if (references === undefined) return noReferences;
  const path: ProblemPath = ['assetReferences'];
  const map = readKeys(reading, references, path, {
    what: 'assetReferences',
    required: [],
    optional: ['inputs', 'outputs', 'referencedPaths'],
  });
  const inputs = section(reading, map, [...path, 'inputs'], ['filenames', 'directories']);
  const outputs = section(reading, map, [...path, 'outputs'], ['directories']);
  return {
    inputFiles: readPaths(reading, inputs, [...path, 'inputs', 'filenames']),
    inputDirs: readPaths(reading, inputs, [...path, 'inputs', 'directories']),
    outputDirs: readPaths(reading, outputs, [...path, 'outputs', 'directories']),
    mentioned: readPaths(reading, map, [...path, 'referencedPaths']),
  };
}

const lastKey = (path: ProblemPath) => String(path.at(-1));

function section(
  reading: Reading,
  map: TemplateMap | undefined,
  path: ProblemPath,
  optional: readonly string[],
): TemplateMap | undefined {
  const what = lastKey(path);
  const value = map?.get(what);
  if (value === undefined) return undefined;
  return readKeys(reading, value, path, { what, required: [], optional });
}

/** Repetitions of one path are harmless and are dropped. */
function readPaths(
  reading: Reading,
  map: TemplateMap | undefined,
  path: ProblemPath,
): ReferencedPath[] {
  const items = readOptionalList(reading, map?.get(lastKey(path)), path, 'paths');
  const paths = new Map<string, ReferencedPath>();
  for (const [index, item] of items.entries()) {
    const at = [...path, index];
    if (typeof item !== 'string' || item === '') {
      reading.problems.mismatch(at, 'a path (text)', describe(item));
      continue;
    }
    const control = findControlCharacter(item);
    if (control !== undefined) {
      reading.problems.mismatch(at, 'a path without control characters', control);
    } else if (!paths.has(item)) {
      paths.set(item, { path: item, at, ...reading.placeOf(at) });
    }
  }
  return [...paths.values()];
}
