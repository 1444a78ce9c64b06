import type { ProblemPath } from '../openjd/problem.ts';
import { quote } from '../openjd/text-rules.ts';
import type { RecipeReports } from './recipe.ts';

/** Where pictures go: `frames/shot_####.png`, taken apart. */
export interface OutputPattern {
  /** Relative, '/'-separated, inside the job's folder. */
  readonly folder: string;
  /** Name before the frame number, the number's digits (0: none), name after it with its extension. */
  readonly prefix: string;
  readonly digits: number;
  readonly suffix: string;
  /** With its dot, lower case. */
  readonly extension: string;
}

export interface PatternRule {
  readonly defaultFolder: string;
  /** When the person gives no name. */
  readonly defaultName: string;
  /** The first one is added where the name has none. */
  readonly extensions: readonly string[];
  /** Whether more than one picture comes out, which then need numbers. */
  readonly numbered: boolean;
  /** Digits of the number where the name does not say. */
  readonly digits: number;
}

/** The name itself, as files, scripts and programs' own patterns take it without quoting. */
const namePattern = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;

export function readOutputPattern(
  given: string | undefined,
  path: ProblemPath,
  rule: PatternRule,
  { problems }: RecipeReports,
): OutputPattern | undefined {
  const text = given ?? `${rule.defaultFolder}/${fileName(rule.defaultName)}`;
  const parts = text.split('/');
  const name = parts.at(-1) ?? '';
  const folder = parts.slice(0, -1).join('/') || rule.defaultFolder;
  const before = problems.count;
  if (/^(?:\/|[A-Za-z]:)|\\/.test(text) || parts.some((part) => part === '..' || part === '.')) {
    problems.mismatch(path, 'a path inside the folder of this file, with "/"', quote(text));
  }
  if (!namePattern.test(name.replaceAll('#', '0'))) {
    problems.mismatch(path, 'a name of letters, digits, ".", "_" and "-"', quote(name));
  }
  const hashes = [...name.matchAll(/#+/g)];
  if (hashes.length > 1) {
    problems.mismatch(path, 'one place for the frame number, such as ####', quote(name));
  }
  const extension = extensionOf(name, rule.extensions);
  const dotted = /\.[A-Za-z][A-Za-z0-9]*$/.exec(name)?.[0];
  if (extension === undefined && dotted !== undefined) {
    problems.mismatch(path, `a name that ends in ${rule.extensions.join(', ')}`, quote(name));
  }
  if (problems.count > before) return undefined;
  const stem = extension === undefined ? name : name.slice(0, -extension.length);
  const ending = extension ?? rule.extensions[0] ?? '';
  return { folder, extension: ending.toLowerCase(), ...numberPlace(stem, ending, rule) };
}

function numberPlace(stem: string, ending: string, { numbered, digits }: PatternRule) {
  const match = /#+/.exec(stem);
  if (match !== null) {
    const suffix = stem.slice(match.index + match[0].length) + ending;
    return { prefix: stem.slice(0, match.index), digits: match[0].length, suffix };
  }
  return numbered
    ? { prefix: `${stem}_`, digits, suffix: ending }
    : { prefix: stem, digits: 0, suffix: ending };
}

function extensionOf(name: string, extensions: readonly string[]): string | undefined {
  const known = extensions.find((each) => name.toLowerCase().endsWith(each));
  return known === undefined ? undefined : name.slice(-known.length);
}

/** `shot_####.png` */
export function patternName({ prefix, digits, suffix }: OutputPattern): string {
  return `${prefix}${'#'.repeat(digits)}${suffix}`;
}

/** A file's name without folder and extension, made fit for names of pictures. */
export function baseName(path: string): string {
  const name = path.split(/[/\\]/).at(-1) ?? '';
  return fileName(name.replace(/\.[^.]*$/, ''));
}

function fileName(text: string): string {
  const name = text.replace(/[^A-Za-z0-9._-]+/g, '-').replace(/^[^A-Za-z0-9]+/, '');
  return name === '' ? 'frame' : name;
}
