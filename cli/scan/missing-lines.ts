import { pathFormat } from '@karst/shared/protocol/files.ts';
import { plainText } from '../terminal/text.ts';
import type { ScannedScene, SceneFile } from './scene-report.ts';

/** More files than this of one sequence or tiled picture are counted, not listed. */
const LISTED_MAX = 3;

/** What is missing of all scenes, a line each: what, as the scene has it, and who needs it. */
export function missingLines(scenes: readonly ScannedScene[]): string[] {
  const lines = scenes.flatMap(({ scene, files }) =>
    files.flatMap((file) => lineOf(scene, file).map((line) => plainText(line))),
  );
  return [...new Set(lines)];
}

function lineOf(scene: string, file: SceneFile): string[] {
  const { kind, path, missing, usedBy, blend } = file;
  const [first] = missing;
  if (first === undefined) return [];
  const more = missing.length > LISTED_MAX ? ` and ${missing.length - LISTED_MAX} more` : '';
  const shown =
    file.pattern === 'file' ? path : `${path} (${missing.slice(0, LISTED_MAX).join(', ')}${more})`;
  const where = file.pattern === 'file' && first !== path ? ` (${first})` : '';
  const who = usedBy.length === 0 ? '' : `, used by ${usedBy.slice(0, LISTED_MAX).join(', ')}`;
  const of = blend === scene ? scene : `${blend}, which ${scene} links`;
  return [`${kind} ${shown}${where}${who} in ${of}`];
}

/** How to say where paths of another machine are here, a line for each of its drives and shares. */
export function mapHint(scenes: readonly ScannedScene[]): string[] {
  if (process.platform === 'win32') return [];
  const lost = scenes.flatMap(({ files }) => files.filter(({ missing }) => missing.length > 0));
  const dirs = new Map<string, string[]>();
  for (const { source } of lost) {
    const top = /^(?:[A-Za-z]:|[\\/]{2}[^\\/]+[\\/][^\\/]+)/.exec(source)?.[0];
    if (pathFormat(source) !== 'WINDOWS' || top === undefined) continue;
    const names = source.split(/[\\/]+/).slice(0, -1);
    const key = fold(top);
    dirs.set(key, commonStart(dirs.get(key) ?? names, names));
  }
  return [...dirs.values()].map((names) => {
    const dir = names[0] === '' ? `\\\\${names.slice(1).join('\\')}` : names.join('\\');
    return `--path-map '${dir}=DIR' tells where ${dir} is on this machine.`;
  });
}

const fold = (path: string) => path.replaceAll('/', '\\').toLowerCase();

function commonStart(a: readonly string[], b: readonly string[]): string[] {
  const end = a.findIndex((name, at) => fold(name) !== fold(b[at] ?? ''));
  return end === -1 ? [...a] : a.slice(0, end);
}
