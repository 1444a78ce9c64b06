import path from 'node:path';
import { readPolicyMap } from '@karst/shared/recipes/policy-map.ts';
import type { z } from 'zod';
import { fieldErrorLine } from '../api/problem-error.ts';
import { CliError, usageError } from '../failure.ts';
import { formatOf } from './document.ts';
import { readText } from './read-text.ts';

/**
 * What `--policy` gives: a YAML or JSON file, or the JSON itself. Throws CliError with every problem,
 * by line and column.
 */
export async function readPolicy<T>(
  given: string | undefined,
  schema: z.ZodType<T>,
  cwd: string,
): Promise<T | undefined> {
  if (given === undefined) return undefined;
  const isInline = given.trimStart().startsWith('{');
  const text = isInline ? undefined : await readText(path.resolve(cwd, given));
  if (text?.ok === false) throw usageError(`${given} ${text.error}.`);
  const policy = readPolicyMap(schema, text?.value ?? given, isInline ? 'json' : formatOf(given));
  if (policy.ok) return policy.value;
  throw new CliError('The policy is not valid.', {
    details: policy.error.map((problem) => fieldErrorLine(problem, isInline ? '--policy' : given)),
  });
}
