import path from 'node:path';
import type { PathParameterDefinition } from '@karst/shared/openjd/types.ts';
import { CliError } from '../failure.ts';
import type { Bundle } from './read-bundle.ts';
import type { SuppliedValue, SuppliedValues } from './supplied-values.ts';

/** A PATH parameter that has, or may get, a place in the job's file tree. */
export interface PathValue {
  name: string;
  objectType: 'FILE' | 'DIRECTORY';
  /**
   * in, inout, bundled: its file or directory travels with the job. mentioned: it brings nothing, and
   * has a place only if other files of the job stand there.
   */
  direction: 'in' | 'out' | 'inout' | 'bundled' | 'mentioned';
  source: 'default' | SuppliedValue['source'];
  absolutePath: string;
  /** Relative to the bundle's root, '/'-separated, where it lies inside; '' is the root itself. */
  inBundle: string | undefined;
  /** Lies outside and stands under its own name, whatever else the job brings from there. */
  alone?: boolean;
}

/**
 * The PATH parameters and their paths here. Defaults resolve against the template's directory and must
 * stay inside when they bring files; values of the bundle resolve against it as well, values that the
 * person gives against `cwd`. What has dataFlow NONE, comes from the bundle and points into it is
 * `bundled`: it travels if it exists.
 */
export function readPathValues(bundle: Bundle, supplied: SuppliedValues, cwd: string): PathValue[] {
  const values: PathValue[] = [];
  for (const definition of bundle.template.parameterDefinitions ?? []) {
    if (definition.type !== 'PATH') continue;
    const value = readPathValue(bundle, definition, supplied.get(definition.name), cwd);
    if (value !== undefined) values.push(value);
  }
  return values;
}

const directions = { NONE: 'mentioned', IN: 'in', OUT: 'out', INOUT: 'inout' } as const;

function readPathValue(
  bundle: Bundle,
  definition: PathParameterDefinition,
  supplied: SuppliedValue | undefined,
  cwd: string,
): PathValue | undefined {
  const { name, objectType = 'DIRECTORY', dataFlow = 'NONE' } = definition;
  const text = supplied === undefined ? definition.default : String(supplied.value);
  // No value, or an explicit "none": the parameter rules decide whether that is allowed.
  if (text === undefined || text === '') return undefined;
  const source = supplied?.source ?? 'default';
  const absolutePath = path.resolve(source === 'given' ? cwd : bundle.rootDir, text);
  const inBundle = relativeInside(bundle.rootDir, absolutePath);
  const isOwn = inBundle !== undefined && source !== 'given';
  const direction = dataFlow === 'NONE' && isOwn ? 'bundled' : directions[dataFlow];
  const brings = direction === 'in' || direction === 'inout';
  if (source === 'default' && brings && inBundle === undefined) {
    throw new CliError(
      `Parameter ${name}: its default "${text}" leads out of the template's directory. ` +
        `Give the path with -p ${name}=PATH.`,
    );
  }
  return { name, objectType, direction, source, absolutePath, inBundle };
}

/** The path of `target` from `root`, '/'-separated; undefined where it lies outside. */
export function relativeInside(
  root: string,
  target: string,
  { relative, isAbsolute, sep }: Paths = path,
): string | undefined {
  const way = relative(root, target);
  if (way === '..' || way.startsWith(`..${sep}`) || isAbsolute(way)) return undefined;
  return way.split(sep).join('/');
}

/** Of the system that paths are of: this machine's, but in tests. */
export type Paths = Pick<
  path.PlatformPath,
  'relative' | 'isAbsolute' | 'sep' | 'parse' | 'dirname' | 'basename'
>;
