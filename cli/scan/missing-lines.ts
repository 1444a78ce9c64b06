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

/** How to say where a path of another machine is here, if that may help. */
export function mapHint(scenes: readonly ScannedScene[]): string[] {
  const lost = scenes.flatMap(({ files }) => files.filter(({ missing }) => missing.length > 0));
  const foreign = lost.flatMap(({ source }) => (pathFormat(source) === 'WINDOWS' ? [source] : []));
  const [first] = foreign;
  if (first === undefined || process.platform === 'win32') return [];
  const [drive, ...names] = first.split(/[\\/](?=[^\\/])/).slice(0, -1);
  const above = names.reduce((all, name) => {
    const longer = `${all}\\${name}`;
    const isOfAll = foreign.every(
      (each) => startsWith(each, longer) || !startsWith(each, `${drive}`),
    );
    return isOfAll ? longer : all;
  }, `${drive}`);
  return [`--path-map '${above}=DIR' tells where ${above} is on this machine.`];
}

const fold = (path: string) => path.replaceAll('/', '\\').toLowerCase();
const startsWith = (path: string, dir: string) => fold(path).startsWith(`${fold(dir)}\\`);
