import { chunkTaskCountRule, readNumericField, targetRuntimeRule } from './numeric-field.ts';
import type { ProblemList, ProblemPath } from './problem.ts';
import { present, readChoice, readKey, readMap, type Validation } from './reader.ts';
import type { Scope } from './scope.ts';
import type { TemplateValue } from './template-value.ts';
import type { ChunksDefinition } from './types.ts';

/** `chunks` of a CHUNK[INT] task parameter. */
export function readChunks(
  validation: Validation,
  value: TemplateValue,
  path: ProblemPath,
  scope: Scope,
): ChunksDefinition | undefined {
  const map = readMap(validation, value, path, {
    what: 'chunks',
    required: ['defaultTaskCount', 'rangeConstraint'],
    optional: ['targetRuntimeSeconds'],
  });
  if (map === undefined) return undefined;
  const defaultTaskCount = readKey(map, 'defaultTaskCount', path, (item, at) =>
    readNumericField(validation, item, at, chunkTaskCountRule, scope),
  );
  const targetRuntimeSeconds = readKey(map, 'targetRuntimeSeconds', path, (item, at) =>
    readNumericField(validation, item, at, targetRuntimeRule, scope),
  );
  const rangeConstraint = readKey(map, 'rangeConstraint', path, (item, at) =>
    readChoice(validation, item, at, ['CONTIGUOUS', 'NONCONTIGUOUS'] as const),
  );
  if (defaultTaskCount === undefined || rangeConstraint === undefined) return undefined;
  return present({ defaultTaskCount, targetRuntimeSeconds, rangeConstraint });
}

/** A chunk is a set: no integer may be listed twice. Values with references are left for creation. */
export function checkChunkValues(
  problems: ProblemList,
  values: readonly string[],
  path: ProblemPath,
): void {
  const seen = new Set<string>();
  for (const [index, value] of values.entries()) {
    if (seen.has(value) && !value.includes('{{')) {
      const expected = 'each value of a chunked parameter once';
      const message = `${value} is listed twice; expected ${expected}`;
      problems.add([...path, index], message, { found: value, expected });
    }
    seen.add(value);
  }
}
