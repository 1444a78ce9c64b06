import path from 'node:path';
import type { PathParameterDefinition } from '@karst/shared/openjd/types.ts';
import { CliError } from '../failure.ts';
import type { Bundle } from './read-bundle.ts';

/** A PATH parameter that has a place in the job's file tree. */
export interface PathValue {
  name: string;
  objectType: 'FILE' | 'DIRECTORY';
  /** Whether its file or directory travels with the job, and must exist here. */
  direction: 'in' | 'out' | 'inout' | 'bundled';
  source: 'default' | 'given';
  absolutePath: string;
  /** Relative to the bundle's root, '/'-separated, where it lies inside; '' is the root itself. */
  inBundle: string | undefined;
}

/**
 * The PATH parameters that bring files in or out. Defaults resolve against the template's directory
 * and must stay inside when they bring files; given values resolve against `cwd`. A default with
 * dataFlow NONE that points into the bundle is `bundled`: it travels if it exists.
 */
export function readPathValues(
  bundle: Bundle,
  given: Readonly<Record<string, string>>,
  cwd: string,
): PathValue[] {
  const values: PathValue[] = [];
  for (const definition of bundle.template.parameterDefinitions ?? []) {
    if (definition.type !== 'PATH') continue;
    const value = readPathValue(bundle, definition, given[definition.name], cwd);
    if (value !== undefined) values.push(value);
  }
  return values;
}

function readPathValue(
  bundle: Bundle,
  definition: PathParameterDefinition,
  given: string | undefined,
  cwd: string,
): PathValue | undefined {
  const text = given ?? definition.default;
  // No value, or an explicit "none": the parameter rules decide whether that is allowed.
  if (text === undefined || text === '') return undefined;
  const source = given === undefined ? 'default' : 'given';
  const flow = definition.dataFlow ?? 'NONE';
  // A path on the node itself: it is not ours to send.
  if (flow === 'NONE' && (source === 'given' || path.isAbsolute(text))) return undefined;

  const base = source === 'given' ? cwd : bundle.rootDir;
  const absolutePath = path.resolve(base, text);
  const inBundle = relativeInside(bundle.rootDir, absolutePath);
  if (flow === 'NONE' && inBundle === undefined) return undefined;
  const direction =
    flow === 'NONE' ? 'bundled' : flow === 'IN' ? 'in' : flow === 'OUT' ? 'out' : 'inout';
  if (source === 'default' && direction !== 'out' && inBundle === undefined) {
    throw new CliError(
      `Parameter ${definition.name}: its default "${text}" leads out of the template's directory. ` +
        `Give the path with -p ${definition.name}=PATH.`,
    );
  }
  const objectType = definition.objectType ?? 'DIRECTORY';
  return { name: definition.name, objectType, direction, source, absolutePath, inBundle };
}

/** The path of `target` from `root`, '/'-separated; undefined where it lies outside. */
export function relativeInside(root: string, target: string): string | undefined {
  const relative = path.relative(root, target);
  if (relative === '..' || relative.startsWith(`..${path.sep}`) || path.isAbsolute(relative)) {
    return undefined;
  }
  return relative.split(path.sep).join('/');
}
