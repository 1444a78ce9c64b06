import { err, ok, type Result } from '../result.ts';
import { isAdaptive } from './adaptive-parameter.ts';
import { chunkValues, positionsOf } from './chunk-values.ts';
import { chunkIndicesOf, chunksOf } from './chunks.ts';
import { type Combination, parseCombination } from './combination.ts';
import { parseFloatText } from './float-text.ts';
import { indexInRange, parseIntRange } from './int-range.ts';
import { isInt64, parseInteger } from './int64.ts';
import { suggestion } from './near-miss.ts';
import type { Problem } from './problem.ts';
import type {
  ResolvedParameterSpace,
  ResolvedSpacePart,
  ResolvedTaskParameter,
} from './resolved-job.ts';
import { partsOf } from './space-parts.ts';
import { quote } from './text-rules.ts';

/** Task indices, ascending, that are computed as they are asked for. */
export interface TaskSelection extends Iterable<number> {
  readonly has: (index: number) => boolean;
}

interface Selection extends TaskSelection {
  /** Length of the axis the indices belong to. */
  readonly axisLength: number;
  /** At least as many as there are: tells which of two is cheaper to walk. */
  readonly atMost: number;
}

/**
 * Which tasks have these parameter values: frame 42 of every tile, tile 3 of every frame. A value
 * of a chunked parameter is an integer, and selects the chunk that holds it; where chunks adapt, it
 * selects the task that has it, and a range (`41-50`) all of its tasks. Nothing is materialised,
 * however large the space. Refused: names that are no parameters of the space.
 */
export function tasksWith(
  space: ResolvedParameterSpace | undefined,
  values: Readonly<Record<string, string>>,
): Result<TaskSelection, Problem[]> {
  const names = space?.parameters.map(({ name }) => name) ?? [];
  const problems: Problem[] = [];
  for (const name of Object.keys(values)) {
    if (names.includes(name)) continue;
    const expected = names.length === 0 ? 'no parameters' : names.join(', ');
    const message = `the step has no task parameter ${quote(name)}${suggestion(name, names)} (expected ${expected})`;
    problems.push({ path: [name], message, found: name, expected });
  }
  if (problems.length > 0) return err(problems);
  if (space === undefined) return ok(all(1));
  const parts = partsOf(space).map(({ space: part, first }) => ({
    first,
    selection: selectionOf(part, values),
  }));
  const [only] = parts;
  return ok(parts.length === 1 && only !== undefined ? only.selection : oneAfterOther(parts));
}

function selectionOf(
  space: ResolvedSpacePart,
  values: Readonly<Record<string, string>>,
): Selection {
  const combination = parseCombination(space.combination);
  if (!combination.ok) throw new Error(`not a resolved space: ${combination.error.message}`);
  const parameters = new Map(space.parameters.map((each) => [each.name, each]));
  const select = (tree: Combination): Selection => {
    if (tree.kind === 'product') return productOf(tree.factors.map(select));
    if (tree.kind === 'association') return intersectionOf(tree.parts.map(select));
    const parameter = parameters.get(tree.name);
    if (parameter === undefined) throw new Error(`combination names unknown ${tree.name}`);
    const value = Object.hasOwn(values, tree.name) ? values[tree.name] : undefined;
    const { length, positionsOf } = axisOf(parameter);
    return value === undefined ? all(length) : some(length, positionsOf(value));
  };
  return select(combination.value);
}

/** Of a space with parts that were added. */
function oneAfterOther(parts: readonly { first: number; selection: Selection }[]): TaskSelection {
  return {
    has: (index) => parts.some(({ first, selection }) => selection.has(index - first)),
    *[Symbol.iterator]() {
      for (const { first, selection } of parts) for (const index of selection) yield first + index;
    },
  };
}

interface SearchableAxis {
  readonly length: number;
  /** Ascending. */
  readonly positionsOf: (value: string) => number[];
}

function axisOf(parameter: ResolvedTaskParameter): SearchableAxis {
  if (isAdaptive(parameter)) {
    const values = chunkValues(parameter);
    return {
      length: Number(values.length),
      positionsOf: (value) => positionsOf(values, value).map(Number),
    };
  }
  if (parameter.type === 'CHUNK[INT]') {
    const chunks = chunksOf(parameter);
    return {
      length: Number(chunks.length),
      positionsOf: (value) => chunkIndicesOf(chunks, value).map(Number),
    };
  }
  if ('values' in parameter) {
    const { values, type } = parameter;
    return {
      length: values.length,
      positionsOf: (value) =>
        values.flatMap((each, index) => (isSame(type, each, value) ? [index] : [])),
    };
  }
  const range = parseIntRange(parameter.range);
  if (!range.ok) throw new Error(`not a resolved range: ${range.error.message}`);
  return {
    length: Number(range.value.length),
    positionsOf: (text) => {
      const value = parseInteger(text);
      if (value === undefined || !isInt64(value)) return [];
      const index = indexInRange(range.value, value);
      return index === undefined ? [] : [Number(index)];
    },
  };
}

function isSame(type: ResolvedTaskParameter['type'], a: string, b: string): boolean {
  if (a === b) return true;
  if (type === 'INT') return parseInteger(a) === (parseInteger(b) ?? null);
  return type === 'FLOAT' && parseFloatText(a) === (parseFloatText(b) ?? null);
}

function all(axisLength: number): Selection {
  return {
    axisLength,
    atMost: axisLength,
    has: (index) => Number.isInteger(index) && index >= 0 && index < axisLength,
    *[Symbol.iterator]() {
      for (let index = 0; index < axisLength; index++) yield index;
    },
  };
}

function some(axisLength: number, positions: readonly number[]): Selection {
  const known = new Set(positions);
  return {
    axisLength,
    atMost: positions.length,
    has: (index) => known.has(index),
    [Symbol.iterator]: () => positions[Symbol.iterator](),
  };
}

/** The rightmost factor varies fastest, so walking factors from the left gives ascending indices. */
function productOf(factors: readonly Selection[]): Selection {
  const walk = function* (from: number, base: number): Generator<number> {
    const factor = factors[from];
    if (factor === undefined) {
      yield base;
      return;
    }
    for (const index of factor) yield* walk(from + 1, base * factor.axisLength + index);
  };
  return {
    axisLength: factors.reduce((total, each) => total * each.axisLength, 1),
    atMost: factors.reduce((total, each) => total * each.atMost, 1),
    has: (index) => {
      let rest = index;
      return (
        factors.toReversed().every((factor) => {
          const digit = rest % factor.axisLength;
          rest = Math.floor(rest / factor.axisLength);
          return factor.has(digit);
        }) && rest === 0
      );
    },
    *[Symbol.iterator]() {
      if (factors.every(({ atMost }) => atMost > 0)) yield* walk(0, 0);
    },
  };
}

/** Walks the smallest part and asks the others. */
function intersectionOf(parts: readonly Selection[]): Selection {
  const [smallest = all(0), ...others] = parts.toSorted((a, b) => a.atMost - b.atMost);
  return {
    axisLength: smallest.axisLength,
    atMost: smallest.atMost,
    has: (index) => parts.every((part) => part.has(index)),
    *[Symbol.iterator]() {
      for (const index of smallest) if (others.every((part) => part.has(index))) yield index;
    },
  };
}
