import path from 'node:path';
import { pathFormat, type SourceRule } from '@karst/shared/protocol/files.ts';
import type { CollectedInputs, SceneInput } from '../bundle/collect-inputs.ts';
import { count } from '../terminal/text.ts';
import type { ScannedScene, SceneFile } from './scene-report.ts';
import { type SourceDirectory, sourceRules } from './source-rules.ts';

/**
 * What scenes need that does not travel with the job yet, or not so that the relative paths of the
 * scenes lead there.
 */
export function sceneInputs(
  scenes: readonly ScannedScene[],
  collected: CollectedInputs,
): SceneInput[] {
  const places = placesOf(collected);
  const inputs = new Map<string, SceneInput>();
  for (const file of scenes.flatMap(({ files }) => files)) {
    // The scene has a copy of it.
    if (file.kind === 'text') continue;
    const lacking = file.files.filter((each) => !standsRight(file, each, places));
    if (lacking.length === 0) continue;
    if (file.pattern === 'directory' && file.found !== null) {
      inputs.set(file.found, { absolutePath: file.found, objectType: 'DIRECTORY' });
      continue;
    }
    for (const each of lacking) inputs.set(each, { absolutePath: each, objectType: 'FILE' });
  }
  return [...inputs.values()];
}

/** What travels although nobody named it, in a line for the person; none if there is nothing. */
export function inputsLine(inputs: readonly SceneInput[]): string | undefined {
  if (inputs.length === 0) return undefined;
  const dirs = new Set(
    inputs.map(({ absolutePath, objectType }) =>
      objectType === 'DIRECTORY' ? absolutePath : path.dirname(absolutePath),
    ),
  );
  const [first = '', second, ...more] = [...dirs].sort();
  const places = second === undefined ? first : `${first}, ${second}`;
  const rest = more.length === 0 ? '' : ` and ${count(more.length, 'other folder')}`;
  const what = count(inputs.length, 'more input');
  return `Named by the scene: ${what}, in ${places}${rest}. They go with the job.`;
}

/** Where the absolute paths of the scenes lead in the job's file tree. */
export function sceneRules(
  scenes: readonly ScannedScene[],
  collected: CollectedInputs,
): SourceRule[] {
  const places = placesOf(collected);
  const directories = scenes
    .flatMap(({ files }) => files)
    .flatMap((file): SourceDirectory[] => {
      const [first] = file.files;
      const place = first === undefined ? undefined : places.get(first);
      if (first === undefined || place === undefined || isRelative(file.path)) return [];
      if (file.pattern !== 'directory')
        return [{ source: above(file.source), place: above(place) }];
      const depth = path.relative(file.found ?? '', first).split(path.sep).length;
      return [{ source: file.source, place: place.split('/').slice(0, -depth).join('/') }];
    });
  return sourceRules(directories);
}

const placesOf = ({ files }: CollectedInputs): ReadonlyMap<string, string> =>
  new Map(files.map(({ absolutePath, treePath }) => [absolutePath, treePath]));

function standsRight(
  { path: named, blend }: SceneFile,
  file: string,
  places: ReadonlyMap<string, string>,
): boolean {
  const place = places.get(file);
  if (place === undefined) return false;
  if (!isRelative(named)) return true;
  const from = places.get(blend);
  if (from === undefined) return false;
  const inTree = path.posix.relative(path.posix.dirname(from), place);
  return inTree === path.relative(path.dirname(blend), file).split(path.sep).join('/');
}

/** Blender's own way to say so. A drive or server behind it is of another machine, see absolute() there. */
const isRelative = (named: string): boolean =>
  named.startsWith('//') && !/^\/\/(?:\.\.[\\/])*(?:[A-Za-z]:[\\/]|\\\\)/.test(named);

/** The directory of a path of any system; of one in the tree '' is the tree itself. */
function above(file: string): string {
  const cut = file.search(pathFormat(file) === 'WINDOWS' ? /[\\/][^\\/]*$/ : /\/[^/]*$/);
  if (cut === 0) return '/';
  return cut === -1 ? '' : file.slice(0, cut).replace(/(?<=[^\\/])[\\/]+$/, '');
}
