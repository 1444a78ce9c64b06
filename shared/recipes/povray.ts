import { z } from 'zod';
import { type IntRange, nthInRange, parseIntRange, printIntRange } from '../openjd/int-range.ts';
import type { OutputCheck } from '../protocol/output-checks.ts';
import { fieldMap } from './field-problems.ts';
import {
  framesField,
  movieField,
  pathField,
  previewField,
  programField,
  sizeField,
  threadsField,
  timeoutField,
} from './field-schemas.ts';
import { movieStep } from './movie-step.ts';
import { checkedSteps, filmCheck, pictureCheck } from './output-checks.ts';
import { baseName, type OutputPattern, readOutputPattern } from './output-pattern.ts';
import { hasNegative, heldSteps, isWithin, noPreview, splitPreview } from './preview-frames.ts';
import { readFrames } from './read-frames.ts';
import type { RecipeJob, RecipeRequest } from './recipe.ts';
import { gentleEnd, TemplateParts, when } from './template-parts.ts';

/** `render` with POV-Ray: a still without `frames`, an animation with them. */
export const povrayFieldsSchema = fieldMap('render with POV-Ray', {
  renderer: z.literal('povray').optional(),
  scene: pathField,
  folder: pathField.optional(),
  frames: framesField.optional(),
  animation: framesField.optional(),
  output: pathField.optional(),
  width: sizeField.default(800),
  height: sizeField.default(600),
  antialias: z.number().min(0).max(3).optional(),
  quality: z.int().min(0).max(11).optional(),
  threads: threadsField.optional(),
  preview: previewField,
  movie: movieField,
  timeoutSeconds: timeoutField.optional(),
  program: programField.default('povray'),
});
type PovrayFields = z.infer<typeof povrayFieldsSchema>;

/** The frames to render, and those the scene's clock goes over. */
interface Animation {
  readonly frames: IntRange;
  readonly whole: IntRange;
}

export function compilePovray(fields: PovrayFields, request: RecipeRequest): RecipeJob | undefined {
  const { reports, path } = request;
  const { problems } = reports;
  const before = problems.count;
  const animation = readAnimation(fields, request);
  if (animation === undefined) {
    for (const key of ['preview', 'movie', 'animation'] as const) {
      if (fields[key] === undefined || fields[key] === false || fields.frames !== undefined)
        continue;
      problems.mismatch([...path, key], 'frames beside it', 'none, which is a still');
    }
  }
  // POV-Ray pads numbers to the width of the animation's last one, whatever it is asked.
  const digits = animation === undefined ? 0 : `${lastOf(animation.whole)}`.length;
  const pattern = readOutputPattern(
    fields.output,
    [...path, 'output'],
    {
      defaultFolder: 'frames',
      defaultName: baseName(fields.scene),
      extensions: ['.png'],
      numbered: animation !== undefined,
      digits,
    },
    reports,
  );
  if (pattern !== undefined && problems.count === before) {
    checkPattern(pattern, digits, request);
  }
  if (pattern === undefined || problems.count > before) return undefined;
  return build(fields, animation, pattern, request);
}

function readAnimation(fields: PovrayFields, request: RecipeRequest): Animation | undefined {
  const { reports, path } = request;
  if (fields.frames === undefined) return undefined;
  const frames = readFrames(fields.frames, [...path, 'frames'], reports)?.range;
  const whole =
    fields.animation === undefined
      ? frames
      : readFrames(fields.animation, [...path, 'animation'], reports)?.range;
  if (frames === undefined || whole === undefined) return undefined;
  const span = hull(whole);
  if (hasNegative(frames) || hasNegative(span)) {
    reports.problems.mismatch([...path, 'frames'], 'frames from 0 on for POV-Ray', fields.frames);
  } else if (!isWithin(frames, span)) {
    const expected = `frames within the animation ${printIntRange(span)}`;
    reports.problems.mismatch([...path, 'frames'], expected, fields.frames);
  }
  return { frames, whole: span };
}

const lastOf = (range: IntRange): bigint => nthInRange(range, range.length - 1n) ?? 0n;

/** From the first to the last frame, without gaps. */
function hull(range: IntRange): IntRange {
  const parsed = parseIntRange(`${nthInRange(range, 0n) ?? 0n}-${lastOf(range)}`);
  return parsed.ok ? parsed.value : range;
}

function checkPattern(
  { digits, suffix, extension }: OutputPattern,
  wanted: number,
  { reports: { problems }, path }: RecipeRequest,
): void {
  const at = [...path, 'output'];
  if (digits !== wanted) {
    const expected =
      wanted === 0
        ? 'a name without #, as a still has no number'
        : `${'#'.repeat(wanted)} in the name: POV-Ray pads numbers to the digits of the last frame`;
    problems.mismatch(at, expected, digits === 0 ? 'none' : '#'.repeat(digits));
  } else if (digits > 0 && suffix !== extension && suffix.toLowerCase() !== extension) {
    problems.mismatch(at, 'the frame number at the end of the name, as POV-Ray puts it', suffix);
  }
}

function build(
  fields: PovrayFields,
  animation: Animation | undefined,
  pattern: OutputPattern,
  request: RecipeRequest,
): RecipeJob {
  const parts = new TemplateParts();
  const command = povrayCommand(fields, pattern, parts);
  const steps =
    animation === undefined
      ? [povrayStep({ name: 'Render', command, fields })]
      : animationSteps(fields, animation, command, parts, request);
  const picture = pictureCheck('{{Param.OutputDir}}', pattern);
  const checks: Record<string, OutputCheck> = { Preview: picture, Render: picture };
  if (fields.movie !== undefined) {
    const { fps, crf, output } = fields.movie;
    const movie = output ?? `${baseName(fields.scene)}.mp4`;
    checks.Movie = filmCheck('{{Param.OutputDir}}', movie);
    steps.push(
      movieStep({
        name: 'Movie',
        dependsOn: steps.map(({ name }) => String(name)),
        folder: '{{Param.OutputDir}}',
        movie: `{{Param.OutputDir}}/${movie}`,
        pattern,
        fps: parts.text('Fps', String(fps), 'Frames a second in the film.'),
        crf: parts.integer('Crf', crf, 'Quality of the film: 0 loses nothing, 51 is worst.', 0),
        timeoutSeconds: fields.timeoutSeconds,
      }),
    );
  }
  return {
    template: {
      specificationVersion: 'jobtemplate-2023-09',
      name: request.name ?? baseName(fields.scene),
      ...when(request.description, (description) => ({ description })),
      parameterDefinitions: parts.definitions,
      steps,
    },
    parameters: parts.values,
    ...checkedSteps(heldSteps(fields.preview, steps).stepPolicies, steps, checks),
  };
}

interface PovrayCommand {
  readonly program: string;
  readonly args: readonly string[];
}

function povrayCommand(
  fields: PovrayFields,
  { folder, prefix, digits, suffix, extension }: OutputPattern,
  parts: TemplateParts,
): PovrayCommand {
  const { folder: inputs } = fields;
  const scene =
    inputs === undefined
      ? [`+I${parts.input('Scene', 'FILE', fields.scene, 'The .pov file.')}`]
      : [
          `+L${parts.input('Folder', 'DIRECTORY', inputs, 'The scene and all it includes.')}`,
          `+I{{Param.Folder}}/${parts.text('Scene', fields.scene, 'The .pov file, from the folder on.')}`,
        ];
  const outputDir = parts.output('OutputDir', 'DIRECTORY', folder, 'Where pictures go.');
  const name = digits === 0 ? `${prefix}${suffix}` : `${prefix}${extension}`;
  const size = (key: string, value: number) => parts.integer(key, value, 'Pixels.');
  return {
    program: parts.text('Povray', fields.program, 'The POV-Ray to run.'),
    args: [
      ...scene,
      `+O${outputDir}/${name}`,
      '+FN',
      '-D',
      '-P',
      `+W${size('Width', fields.width)}`,
      `+H${size('Height', fields.height)}`,
      ...(fields.antialias === undefined ? [] : [`+A${fields.antialias}`]),
      ...(fields.quality === undefined ? [] : [`+Q${fields.quality}`]),
      ...(fields.threads === undefined
        ? []
        : [`+WT${parts.integer('Threads', fields.threads, 'Threads of each POV-Ray.')}`]),
    ],
  };
}

function animationSteps(
  fields: PovrayFields,
  { frames, whole }: Animation,
  command: PovrayCommand,
  parts: TemplateParts,
  { reports, path }: RecipeRequest,
): Record<string, unknown>[] {
  const first = parts.integer(
    'FirstFrame',
    Number(nthInRange(whole, 0n)),
    'Where the clock is 0.',
    0,
  );
  const last = parts.integer('LastFrame', Number(lastOf(whole)), 'Where the clock is 1.', 0);
  const frame = '{{Task.Param.Frame}}';
  const args = [`+KFI${first}`, `+KFF${last}`, `+SF${frame}`, `+EF${frame}`];
  const animated = { ...command, args: [...command.args, ...args] };
  const split = fields.preview === false ? undefined : splitPreview(frames);
  const steps: Record<string, unknown>[] = [];
  if (fields.preview !== false && split === undefined) {
    reports.warnings.add([...path, 'preview'], noPreview(fields.preview, frames));
  }
  if (split !== undefined) {
    const range = parts.frames('PreviewFrames', split.preview, 'First, middle and last frame.');
    steps.push(povrayStep({ name: 'Preview', command: animated, fields, range }));
  }
  const rest = printIntRange(split?.rest ?? frames);
  const range = parts.frames('Frames', rest, 'Frames to render.');
  const dependsOn = split === undefined ? undefined : 'Preview';
  steps.push(povrayStep({ name: 'Render', dependsOn, command: animated, fields, range }));
  return steps;
}

function povrayStep(step: {
  name: string;
  dependsOn?: string | undefined;
  command: PovrayCommand;
  fields: PovrayFields;
  range?: string;
}): Record<string, unknown> {
  const { command, fields } = step;
  return {
    name: step.name,
    ...when(step.dependsOn, (dependsOn) => ({ dependencies: [{ dependsOn }] })),
    ...when(step.range, (range) => ({
      parameterSpace: { taskParameterDefinitions: [{ name: 'Frame', type: 'INT', range }] },
    })),
    script: {
      actions: {
        onRun: {
          command: command.program,
          args: command.args,
          ...when(fields.timeoutSeconds, (timeout) => ({ timeout })),
          ...gentleEnd,
        },
      },
    },
  };
}
