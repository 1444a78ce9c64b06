import type { Frames } from '../../frames/parse-frames.ts';
import { type IntRange, printIntRange } from '../../openjd/int-range.ts';
import type { OutputCheck } from '../../protocol/output-checks.ts';
import { movieExtensions, movieStep } from '../movie-step.ts';
import { checkedSteps, filmCheck, pictureCheck } from '../output-checks.ts';
import { baseName, type OutputPattern, patternName, readOutputPattern } from '../output-pattern.ts';
import { hasNegative, heldSteps, noPreview, splitPreview } from '../preview-frames.ts';
import { readFrames } from '../read-frames.ts';
import type { RecipeJob, RecipeRequest } from '../recipe.ts';
import { isContiguous, TemplateParts, when } from '../template-parts.ts';
import { type BlenderCommand, blenderCommand, blenderStep } from './command.ts';
import { type BlenderFields, type BlenderFormat, blenderFormats } from './fields.ts';
import { assembleStep, tileFile, tilePattern, tileSpace } from './tiles.ts';

/** Compiles checked fields. Undefined, with the problems told, when they do not fit together. */
export function compileBlender(
  fields: BlenderFields,
  request: RecipeRequest,
): RecipeJob | undefined {
  const { reports, path } = request;
  const frames = readFrames(fields.frames, [...path, 'frames'], reports);
  const pattern = readOutputPattern(
    fields.output,
    [...path, 'output'],
    {
      defaultFolder: 'frames',
      defaultName: baseName(fields.scene),
      extensions: extensionsFor(fields.format),
      numbered: frames === undefined || frames.range.length !== 1n,
      digits: 4,
    },
    reports,
  );
  if (frames === undefined || pattern === undefined) return undefined;
  const told = { ...fields, keepLoaded: fields.keepLoaded ?? isManyShort(fields, frames) };
  const before = reports.problems.count;
  checkTogether(fields, frames.range, pattern, request);
  if (reports.problems.count > before) return undefined;
  return build(told, frames, pattern, request);
}

/** Tasks of one frame or tile each: loading the scene anew for each may take longer than they do. */
const isManyShort = ({ chunk, tiles }: BlenderFields, { range }: Frames): boolean =>
  chunk === undefined && (range.length > 1n || tiles !== undefined);

const extensionsFor = (format: BlenderFormat | undefined): readonly string[] =>
  format === undefined ? Object.values(blenderFormats).flat() : blenderFormats[format];

function formatOf(extension: string): BlenderFormat | undefined {
  const formats: readonly BlenderFormat[] = ['PNG', 'JPEG', 'OPEN_EXR', 'TIFF'];
  return formats.find((format) => blenderFormats[format].some((each) => each === extension));
}

function checkTogether(
  fields: BlenderFields,
  range: IntRange,
  { extension, digits }: OutputPattern,
  { reports: { problems, warnings }, path }: RecipeRequest,
): void {
  const refuse = (key: string, expected: string, found: string) =>
    problems.mismatch([...path, key], expected, found);
  if (fields.chunkTargetSeconds !== undefined && fields.chunk === undefined) {
    refuse('chunkTargetSeconds', 'chunk beside it, the frames of the first chunks', 'none');
  }
  if (fields.movie !== undefined && !movieExtensions.includes(extension)) {
    refuse('movie', 'pictures in PNG or JPEG to make a movie of', extension);
  }
  if (fields.movie !== undefined && digits === 0) {
    refuse('movie', 'more than one frame to make a movie of', `${range.length}`);
  }
  if (fields.tiles !== undefined) {
    const { columns, rows } = fields.tiles;
    if (columns * rows === 1) refuse('tiles', '2 tiles or more', '1');
    if (columns * rows > 256) refuse('tiles', 'at most 256 tiles', `${columns * rows}`);
    if (extension !== '.png') {
      refuse('tiles', 'pictures in PNG, which lose nothing when they are put together', extension);
    }
    if (hasNegative(range)) refuse('frames', 'frames from 0 on, as there are tiles', fields.frames);
    if (fields.chunk !== undefined) refuse('chunk', 'no chunks beside tiles', 'both');
    if (fields.preview !== false) refuse('preview', 'no preview beside tiles', 'both');
  }
  if (fields.engine === 'EEVEE' || fields.engine === 'WORKBENCH') {
    const message = `${fields.engine} draws with OpenGL: a node without a display or a GPU cannot render it`;
    warnings.add([...path, 'engine'], message);
  }
}

function build(
  fields: BlenderFields,
  frames: Frames,
  pattern: OutputPattern,
  request: RecipeRequest,
): RecipeJob {
  const parts = new TemplateParts();
  const scene = sceneReference(fields, parts);
  const outputDir = parts.output('OutputDir', 'DIRECTORY', pattern.folder, 'Where pictures go.');
  const command = blenderCommand(fields, formatOf(pattern.extension), scene, parts);
  const steps =
    fields.tiles === undefined
      ? frameSteps(fields, { command, outputDir, frames, pattern, parts, request })
      : tileSteps(fields, { command, outputDir, frames, pattern, parts });
  const picture = pictureCheck(outputDir, pattern);
  const checks: Record<string, OutputCheck> = {
    Preview: picture,
    Render: picture,
    Assemble: picture,
    Tile: { files: tileFile(`${outputDir}/tiles`) },
  };
  if (fields.movie !== undefined) {
    const { fps, crf, output } = fields.movie;
    const movie = output ?? `${baseName(fields.scene)}.mp4`;
    checks.Movie = filmCheck(outputDir, movie);
    steps.push(
      movieStep({
        name: 'Movie',
        dependsOn: steps.flatMap(({ name }) => (name === 'Tile' ? [] : [String(name)])),
        folder: outputDir,
        movie: `${outputDir}/${movie}`,
        pattern,
        fps: parts.text('Fps', String(fps), 'Frames a second in the film.'),
        crf: parts.integer('Crf', crf, 'Quality of the film: 0 loses nothing, 51 is worst.', 0),
        timeoutSeconds: fields.timeoutSeconds,
      }),
    );
  }
  const chunked = fields.chunk !== undefined && fields.tiles === undefined;
  return {
    template: {
      specificationVersion: 'jobtemplate-2023-09',
      ...(chunked ? { extensions: ['TASK_CHUNKING'] } : {}),
      name: request.name ?? baseName(fields.scene),
      ...when(request.description, (description) => ({ description })),
      parameterDefinitions: parts.definitions,
      steps,
    },
    parameters: parts.values,
    scene: fields.folder === undefined ? ['Scene'] : ['Folder', 'Scene'],
    ...checkedSteps(heldSteps(fields.preview, steps).stepPolicies, steps, checks),
  };
}

/** The scene alone, or a folder with everything that belongs to it. */
function sceneReference({ scene, folder }: BlenderFields, parts: TemplateParts): string {
  if (folder === undefined) {
    return parts.input('Scene', 'FILE', scene, 'The .blend file.');
  }
  const inside = parts.input('Folder', 'DIRECTORY', folder, 'The scene and all it links to.');
  return `${inside}/${parts.text('Scene', scene, 'The .blend file, from the folder on.')}`;
}

interface Surroundings {
  readonly command: BlenderCommand;
  readonly outputDir: string;
  readonly frames: Frames;
  readonly pattern: OutputPattern;
  readonly parts: TemplateParts;
}

function frameSteps(
  fields: BlenderFields,
  around: Surroundings & { request: RecipeRequest },
): Record<string, unknown>[] {
  const { command, frames, pattern, parts, request } = around;
  const output = `${around.outputDir}/${patternName(pattern)}`;
  const split = fields.preview === false ? undefined : splitPreview(frames.range);
  const steps: Record<string, unknown>[] = [];
  if (fields.preview !== false && split === undefined) {
    const message = noPreview(fields.preview, frames.range);
    request.reports.warnings.add([...request.path, 'preview'], message);
  }
  if (split !== undefined) {
    const range = parts.frames('PreviewFrames', split.preview, 'First, middle and last frame.');
    const parameterSpace = oneFrameATask(range);
    const step = { name: 'Preview', parameterSpace, frames: '{{Task.Param.Frame}}', output };
    steps.push(blenderStep(command, step, fields));
  }
  const rest = split?.rest ?? frames.range;
  const range = parts.frames('Frames', printIntRange(rest), 'Frames to render.');
  const space = fields.chunk === undefined ? undefined : chunkSpace(fields.chunk, range, rest);
  const step = {
    name: 'Render',
    dependsOn: split === undefined ? undefined : 'Preview',
    parameterSpace: space?.(fields.chunkTargetSeconds) ?? oneFrameATask(range),
    frames: space === undefined ? '{{Task.Param.Frame}}' : '{{Task.Param.Frames}}',
    output,
  };
  steps.push(blenderStep(command, step, fields));
  return steps;
}

const oneFrameATask = (range: string) => ({
  taskParameterDefinitions: [{ name: 'Frame', type: 'INT', range }],
});

const chunkSpace =
  (defaultTaskCount: number, range: string, frames: IntRange) =>
  (targetRuntimeSeconds: number | undefined) => ({
    taskParameterDefinitions: [
      {
        name: 'Frames',
        type: 'CHUNK[INT]',
        range,
        chunks: {
          defaultTaskCount,
          ...when(targetRuntimeSeconds, (seconds) => ({ targetRuntimeSeconds: seconds })),
          // Contiguous chunks of every second frame would be single frames.
          rangeConstraint: isContiguous(frames) ? 'CONTIGUOUS' : 'NONCONTIGUOUS',
        },
      },
    ],
  });

function tileSteps(fields: BlenderFields, around: Surroundings): Record<string, unknown>[] {
  const { tiles } = fields;
  if (tiles === undefined) return [];
  const { command, outputDir, frames, pattern, parts } = around;
  const range = parts.frames('Frames', frames.expression, 'Frames to render.');
  const tileDir = `${outputDir}/tiles`;
  const step = { name: 'Tile', frames: '{{Task.Param.Frame}}', ...tileSpace(range, tiles) };
  return [
    blenderStep(command, { ...step, output: tilePattern(tileDir) }, fields),
    assembleStep(range, tiles, { tiles: tileDir, output: outputDir }, pattern),
  ];
}
