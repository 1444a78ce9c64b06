import { type OutputPattern, patternName } from '../output-pattern.ts';
import { gentleEnd } from '../template-parts.ts';
import type { Tiles } from './fields.ts';

/** The space of a step that renders every tile of every frame, and the tile of one task. */
export function tileSpace(frames: string, { columns, rows }: Tiles) {
  return {
    parameterSpace: {
      taskParameterDefinitions: [
        { name: 'Frame', type: 'INT', range: frames },
        { name: 'Row', type: 'INT', range: `0-${rows - 1}` },
        { name: 'Column', type: 'INT', range: `0-${columns - 1}` },
      ],
    },
    tile: `${columns}x${rows}:{{Task.Param.Column}},{{Task.Param.Row}}`,
  };
}

/** What tiles are named; the script that renders one adds its row and column. */
export const tilePattern = (folder: string): string => `${folder}/tile_#.png`;

/** The one that a task renders. */
export const tileFile = (folder: string): string =>
  `${folder}/tile_{{Task.Param.Frame}}_r{{Task.Param.Row}}_c{{Task.Param.Column}}.png`;

/** A step that puts the tiles of each frame together with ffmpeg, pixel by pixel. */
export function assembleStep(
  frames: string,
  tiles: Tiles,
  folders: { tiles: string; output: string },
  pattern: OutputPattern,
): Record<string, unknown> {
  const { columns, rows } = tiles;
  const inputs: string[] = [];
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const name = `tile_{{Task.Param.Frame}}_r${row}_c${column}.png`;
      inputs.push('-f', 'image2', '-pattern_type', 'none', '-i', `${folders.tiles}/${name}`);
    }
  }
  const { prefix, digits, suffix } = pattern;
  // ffmpeg counts the pictures it writes: with one picture, its first number is the frame's.
  const numbered = ['-start_number', '{{Task.Param.Frame}}'];
  const output =
    digits === 0
      ? ['-update', '1', `${folders.output}/${patternName(pattern)}`]
      : [...numbered, `${folders.output}/${prefix}%0${digits}d${suffix}`];
  return {
    name: 'Assemble',
    dependencies: [{ dependsOn: 'Tile' }],
    parameterSpace: {
      taskParameterDefinitions: [{ name: 'Frame', type: 'INT', range: frames }],
    },
    script: {
      actions: {
        onRun: {
          command: 'ffmpeg',
          args: [
            ...['-nostdin', '-hide_banner', '-loglevel', 'warning', '-xerror', '-y'],
            ...inputs,
            ...['-filter_complex', stack(tiles), '-map', '[whole]', '-frames:v', '1'],
            ...output,
          ],
          ...gentleEnd,
        },
      },
    },
  };
}

/** ffmpeg's filter graph: tiles beside each other into rows, rows below each other. */
function stack({ columns, rows }: Tiles): string {
  const lines: string[] = [];
  const names: string[] = [];
  for (let row = 0; row < rows; row++) {
    const inputs = Array.from({ length: columns }, (_, column) => `[${row * columns + column}:v]`);
    names.push(`[row${row}]`);
    const filter = columns === 1 ? 'null' : `hstack=inputs=${columns}`;
    lines.push(`${inputs.join('')}${filter}[row${row}]`);
  }
  const filter = rows === 1 ? 'null' : `vstack=inputs=${rows}`;
  return [...lines, `${names.join('')}${filter}[whole]`].join(';');
}
