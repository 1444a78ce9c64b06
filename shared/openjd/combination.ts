import { err, ok, type Result } from '../result.ts';
import { isIdentifier, quote } from './text-rules.ts';

/** How task parameters combine into a space: a tree over their names. */
export type Combination =
  | { readonly kind: 'parameter'; readonly name: string }
  /** Every combination of the factors; the rightmost varies fastest. */
  | { readonly kind: 'product'; readonly factors: readonly Combination[] }
  /** The parts walk in step; they have the same number of values. */
  | { readonly kind: 'association'; readonly parts: readonly Combination[] };

export interface CombinationProblem {
  readonly message: string;
  readonly found?: string;
  readonly expected?: string;
}

export const combinationLengthMax = 1280;

interface Cursor {
  readonly tokens: readonly string[];
  at: number;
}

/** Parses `A * (B, C)`. Names are not checked against any definition here. Never throws. */
export function parseCombination(text: string): Result<Combination, CombinationProblem> {
  if (text.length > combinationLengthMax) {
    const expected = `at most ${combinationLengthMax} characters`;
    const found = `${text.length} characters`;
    return err({ message: `expected ${expected}, found ${found}`, expected, found });
  }
  const tokens = text.match(/[A-Za-z0-9_]+|[^ ]/gu) ?? [];
  const cursor: Cursor = { tokens, at: 0 };
  const tree = parseProduct(cursor);
  if (!tree.ok) return tree;
  if (cursor.at < tokens.length) return unexpected(cursor, 'a "*" or the end');
  return tree;
}

function parseProduct(cursor: Cursor): Result<Combination, CombinationProblem> {
  const factors: Combination[] = [];
  for (;;) {
    const factor = parseElement(cursor);
    if (!factor.ok) return factor;
    factors.push(factor.value);
    if (cursor.tokens[cursor.at] !== '*') break;
    cursor.at++;
  }
  const [only] = factors;
  return ok(factors.length === 1 && only !== undefined ? only : { kind: 'product', factors });
}

function parseElement(cursor: Cursor): Result<Combination, CombinationProblem> {
  const token = cursor.tokens[cursor.at];
  if (token === '(') return parseAssociation(cursor);
  if (token === undefined || !isIdentifier(token)) {
    return unexpected(cursor, 'a task parameter name or "("');
  }
  cursor.at++;
  return ok({ kind: 'parameter', name: token });
}

function parseAssociation(cursor: Cursor): Result<Combination, CombinationProblem> {
  const parts: Combination[] = [];
  do {
    cursor.at++;
    const part = parseProduct(cursor);
    if (!part.ok) return part;
    parts.push(part.value);
  } while (cursor.tokens[cursor.at] === ',');
  if (cursor.tokens[cursor.at] !== ')') return unexpected(cursor, '"*", "," or ")"');
  cursor.at++;
  return ok({ kind: 'association', parts });
}

function unexpected(cursor: Cursor, expected: string): Result<never, CombinationProblem> {
  const token = cursor.tokens[cursor.at];
  const found = token === undefined ? 'the end' : quote(token);
  const after = cursor.tokens[cursor.at - 1];
  const place = after === undefined ? '' : ` after ${quote(after)}`;
  return err({ message: `expected ${expected}${place}, found ${found}`, expected, found });
}

/** The default: the product of all parameters in the order of their definition. */
export function productOf(names: readonly string[]): Combination {
  const factors = names.map((name): Combination => ({ kind: 'parameter', name }));
  const [only] = factors;
  return factors.length === 1 && only !== undefined ? only : { kind: 'product', factors };
}

/** Names in the order they are written, repeats included. */
export function parameterNames(tree: Combination): string[] {
  const names: string[] = [];
  const visit = (node: Combination): void => {
    if (node.kind === 'parameter') names.push(node.name);
    else for (const child of childrenOf(node)) visit(child);
  };
  visit(tree);
  return names;
}

/** True when the parameter stands inside `( , )` with at least one other part. */
export function isAssociated(tree: Combination, name: string): boolean {
  if (tree.kind === 'parameter') return false;
  const inside = childrenOf(tree).some((child) => parameterNames(child).includes(name));
  if (!inside) return false;
  if (tree.kind === 'association' && tree.parts.length > 1) return true;
  return childrenOf(tree).some((child) => isAssociated(child, name));
}

/** The same points with `name`, which is not associated, as the one that varies fastest. */
export function withFastest(tree: Combination, name: string): Combination {
  const rest = without(tree, name);
  const fastest: Combination = { kind: 'parameter', name };
  if (rest === undefined) return fastest;
  const factors = rest.kind === 'product' ? rest.factors : [rest];
  return { kind: 'product', factors: [...factors, fastest] };
}

function without(tree: Combination, name: string): Combination | undefined {
  if (tree.kind === 'parameter') return tree.name === name ? undefined : tree;
  const left = childrenOf(tree)
    .map((child) => without(child, name))
    .filter((child) => child !== undefined);
  const [only] = left;
  if (left.length <= 1) return only;
  return tree.kind === 'product'
    ? { kind: 'product', factors: left }
    : { kind: 'association', parts: left };
}

function childrenOf(node: Exclude<Combination, { kind: 'parameter' }>): readonly Combination[] {
  return node.kind === 'product' ? node.factors : node.parts;
}

/** Prints a tree so that parsing the text gives the same tree. */
export function printCombination(tree: Combination): string {
  if (tree.kind === 'parameter') return tree.name;
  if (tree.kind === 'association') return `(${tree.parts.map(printCombination).join(', ')})`;
  return tree.factors.map(printCombination).join(' * ');
}

/**
 * How many points the tree has, given each parameter's number of values.
 * `lengthOf` may answer undefined for a parameter not known yet; so does this, then.
 * A difference inside an association is an error that names both sides.
 */
export function combinationLength(
  tree: Combination,
  lengthOf: (name: string) => bigint | undefined,
): Result<bigint | undefined, CombinationProblem> {
  if (tree.kind === 'parameter') return ok(lengthOf(tree.name));
  let total: bigint | undefined = tree.kind === 'product' ? 1n : undefined;
  let reference: { text: string; length: bigint } | undefined;
  for (const child of childrenOf(tree)) {
    const length = combinationLength(child, lengthOf);
    if (!length.ok) return length;
    if (tree.kind === 'product') {
      total = total === undefined || length.value === undefined ? undefined : total * length.value;
      continue;
    }
    if (length.value === undefined) continue;
    if (reference !== undefined && reference.length !== length.value) {
      const text = printCombination(child);
      return err({
        message: `inside ( , ) every part needs the same number of values, but ${reference.text} has ${reference.length} and ${text} has ${length.value}`,
        found: `${reference.length} and ${length.value}`,
        expected: 'equal numbers of values',
      });
    }
    reference = { text: printCombination(child), length: length.value };
    total = length.value;
  }
  return ok(total);
}
