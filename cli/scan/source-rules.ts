import { mapPath } from '@karst/shared/openjd/map-path.ts';
import { pathFormat, type SourceRule } from '@karst/shared/protocol/files.ts';

/** A file's directory, as the scene has it and in the job's file tree ('' is the tree itself). */
export interface SourceDirectory {
  /** Absolute: of Windows or POSIX, whatever this machine is. */
  source: string;
  place: string;
}

/**
 * As few rules as lead every directory to its place: `Z:\show\tex` in `show/tex` and `Z:\show\geo` in
 * `show/geo` are both told by `Z:\show` in `show`.
 */
export function sourceRules(directories: readonly SourceDirectory[]): SourceRule[] {
  const rules = new Map<string, SourceRule>();
  for (const directory of directories) {
    const rule = toRule(shortened(directory));
    if (rule !== undefined && !rules.has(keyOf(rule))) rules.set(keyOf(rule), rule);
  }
  // A shorter rule may lead one of them elsewhere; its own rule goes before that, being longer.
  for (let changed = true; changed; ) {
    changed = false;
    const mapping = [...rules.values()].map(asMapping);
    for (const directory of directories) {
      const rule = toRule(directory);
      if (rule === undefined || mapPath(mapping, directory.source) === root(directory.place)) {
        continue;
      }
      if (rules.get(keyOf(rule))?.location === rule.location && rules.has(keyOf(rule))) continue;
      rules.set(keyOf(rule), rule);
      changed = true;
    }
  }
  return [...rules.values()].toSorted((a, b) => (a.sourcePath < b.sourcePath ? -1 : 1));
}

function toRule({ source, place }: SourceDirectory): SourceRule | undefined {
  const sourcePathFormat = pathFormat(source);
  if (sourcePathFormat === undefined) return undefined;
  return { sourcePathFormat, sourcePath: source, ...(place === '' ? {} : { location: place }) };
}

/** Windows names differ by case in nothing. */
const keyOf = ({ sourcePathFormat, sourcePath }: SourceRule): string =>
  sourcePathFormat === 'WINDOWS' ? sourcePath.replaceAll('/', '\\').toLowerCase() : sourcePath;

const root = (place: string): string => (place === '' ? '/' : `/${place}`);

const asMapping = ({ sourcePathFormat, sourcePath, location = '' }: SourceRule) => ({
  source_path_format: sourcePathFormat,
  source_path: sourcePath,
  destination_path: root(location),
});

/** Without the last names that both have in common, down to one name of each. */
function shortened({ source, place }: SourceDirectory): SourceDirectory {
  const isWindows = pathFormat(source) === 'WINDOWS';
  const separator = isWindows ? /[\\/](?=[^\\/]*$)/ : /\/(?=[^/]*$)/;
  let [sourceLeft, placeLeft] = [source.replace(/(?<=.)[\\/]+$/, ''), place];
  for (;;) {
    const [above, name] = sourceLeft.split(separator);
    const cut = placeLeft.lastIndexOf('/');
    if (above === undefined || name === undefined || cut === -1) break;
    if (name !== placeLeft.slice(cut + 1) || !hasName(above)) break;
    [sourceLeft, placeLeft] = [above, placeLeft.slice(0, cut)];
  }
  return { source: sourceLeft, place: placeLeft };
}

/** Whether a path names more than a drive, a server's share or the root. */
const hasName = (path: string): boolean =>
  /^(?:[A-Za-z]:[\\/][^\\/]|\\\\[^\\/]+[\\/][^\\/]+|\/[^/])/.test(path);
