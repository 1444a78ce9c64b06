import { readFile } from 'node:fs/promises';
import path from 'node:path';
import {
  type PathMappingRule,
  pathMappingFileSchema,
  pathMappingRuleSchema,
} from '@karst/shared/openjd/path-mapping-rules.ts';
import { z } from 'zod';
import { CliError, messageOf } from '../failure.ts';

/**
 * The rules that `--path-mapping-rules` gives: a file, file://PATH or inline JSON, each of them OpenJD's
 * object with `version` and `path_mapping_rules`, or just the list of rules. Throws CliError.
 */
export async function readRules(
  given: string | undefined,
  cwd: string,
): Promise<PathMappingRule[]> {
  if (given === undefined) return [];
  const text = given.trim();
  const isInline = text.startsWith('{') || text.startsWith('[');
  const shown = isInline ? '--path-mapping-rules' : text;
  try {
    const file = text.startsWith('file://') ? text.slice('file://'.length) : text;
    const json: unknown = JSON.parse(
      isInline ? text : await readFile(path.resolve(cwd, file), 'utf8'),
    );
    if (Array.isArray(json)) return z.array(pathMappingRuleSchema).parse(json);
    return pathMappingFileSchema.parse(json).path_mapping_rules;
  } catch (error) {
    const what = error instanceof z.ZodError ? z.prettifyError(error) : messageOf(error);
    throw new CliError(`${shown} holds no path mapping rules of OpenJD.`, {
      details: what.split('\n'),
      cause: error,
    });
  }
}
