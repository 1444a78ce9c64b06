import { join } from 'node:path';
import type { PathMappingRule } from '@karst/shared/openjd/path-mapping-rules.ts';
import { pathFormat } from '@karst/shared/protocol/files.ts';
import type { LeaseDefinition } from '@karst/shared/protocol/lease.ts';

/** The text of the file that `Session.PathMappingRulesFile` names. */
export const pathMappingText = (rules: readonly PathMappingRule[]): string =>
  JSON.stringify({ version: 'pathmapping-1.0', path_mapping_rules: rules });

/**
 * The rules of a job whose files are in a tree on this node: PATH parameters given as absolute paths,
 * directories that its submission tells of, and what lies below them, are found at their place in it.
 */
export function treeRules(
  {
    parameters,
    locations,
    pathMapping = [],
  }: Pick<LeaseDefinition, 'parameters' | 'locations' | 'pathMapping'>,
  filesDir: string,
): PathMappingRule[] {
  const rules: PathMappingRule[] = [];
  for (const [name, at] of Object.entries(locations)) {
    const value = parameters[name]?.value ?? '';
    const format = pathFormat(value);
    if (format === undefined) continue;
    rules.push({
      source_path_format: format,
      source_path: value,
      destination_path: join(filesDir, at),
    });
  }
  for (const { sourcePathFormat, sourcePath, location = '' } of pathMapping) {
    rules.push({
      source_path_format: sourcePathFormat,
      source_path: sourcePath,
      destination_path: join(filesDir, location),
    });
  }
  return rules;
}
