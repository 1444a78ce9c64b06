import {
  combinationLength,
  combinationLengthMax,
  isAssociated,
  parameterNames,
  parseCombination,
  productOf,
} from './combination.ts';
import { parseIntRange } from './int-range.ts';
import { suggestion } from './near-miss.ts';
import type { ProblemPath } from './problem.ts';
import { readText, type Validation } from './reader.ts';
import type { TemplateValue } from './template-value.ts';
import { quote } from './text-rules.ts';
import type { StepParameterSpace, TaskParameterDefinition } from './types.ts';

/** A space's `combination`: names every parameter once, with equal lengths inside `( , )`. */
export function readCombination(
  validation: Validation,
  value: TemplateValue,
  path: ProblemPath,
  definitions: readonly TaskParameterDefinition[] | undefined,
): string | undefined {
  const { problems } = validation;
  const rule = {
    what: 'a combination expression',
    min: 1,
    max: combinationLengthMax,
    control: 'any',
  } as const;
  const text = readText(validation, value, path, rule);
  if (text === undefined) return undefined;
  const tree = parseCombination(text);
  if (!tree.ok) {
    const { message, ...details } = tree.error;
    problems.add(path, message, details);
    return undefined;
  }
  if (definitions === undefined) return text;
  const before = problems.count;
  const used = parameterNames(tree.value);
  const defined = definitions.map(({ name }) => name);
  for (const name of new Set(used)) {
    if (!defined.includes(name)) {
      const hint = suggestion(name, defined);
      problems.add(path, `there is no task parameter ${quote(name)} in this step${hint}`, {
        found: name,
        expected: defined.join(', '),
      });
    } else if (used.indexOf(name) !== used.lastIndexOf(name)) {
      const expected = 'every task parameter exactly once';
      problems.add(path, `${quote(name)} occurs more than once; expected ${expected}`, {
        found: name,
        expected,
      });
    }
  }
  for (const name of defined) {
    if (used.includes(name)) continue;
    const expected = 'every task parameter exactly once';
    problems.add(path, `${quote(name)} does not occur; expected ${expected}`, { expected });
  }
  if (problems.count > before) return undefined;
  const chunked = definitions.find(({ type }) => type === 'CHUNK[INT]');
  if (chunked !== undefined && isAssociated(tree.value, chunked.name)) {
    const expected = 'it only in products: A * B';
    const message = `the chunked parameter ${quote(chunked.name)} stands inside ( , ); expected ${expected}`;
    problems.add(path, message, { found: chunked.name, expected });
    return undefined;
  }
  const lengths = new Map(definitions.map((each) => [each.name, knownLength(each)]));
  const length = combinationLength(tree.value, (name) => lengths.get(name));
  if (length.ok) return text;
  const { message, ...details } = length.error;
  problems.add(path, message, details);
  return undefined;
}

/** Number of values, where the template alone tells it. */
function knownLength(definition: TaskParameterDefinition): bigint | undefined {
  if (typeof definition.range !== 'string') return BigInt(definition.range.length);
  const range = parseIntRange(definition.range);
  return range.ok ? range.value.length : undefined;
}

/** The space's combination as a tree: as written, or the product in definition order. */
export function combinationOf(space: StepParameterSpace) {
  const names = space.taskParameterDefinitions.map(({ name }) => name);
  if (space.combination === undefined) return productOf(names);
  const tree = parseCombination(space.combination);
  if (!tree.ok) throw new Error(`not a validated combination: ${tree.error.message}`);
  return tree.value;
}
