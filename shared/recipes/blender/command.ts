import { gentleEnd, type TemplateParts, when } from '../template-parts.ts';
import type { BlenderFields, BlenderFormat } from './fields.ts';
import { askScript, startScript, stopScript } from './kept-loaded.ts';
import { renderScript } from './render-script.ts';

/** Blender's command line, as far as every step has it. */
export interface BlenderCommand {
  readonly program: string;
  /** Before the script. */
  readonly before: readonly string[];
  /** Options of our script. */
  readonly settings: readonly string[];
}

/** Declares the parameters of the command line. `output` is the pattern of the pictures' paths. */
export function blenderCommand(
  fields: BlenderFields,
  format: BlenderFormat | undefined,
  scene: string,
  parts: TemplateParts,
): BlenderCommand {
  const program = parts.text('Blender', fields.program, 'The Blender to run.');
  const threads =
    fields.threads === undefined
      ? []
      : ['--threads', parts.integer('Threads', fields.threads, 'Threads of each Blender.')];
  const number = (option: string, name: string, value: number | undefined, description: string) =>
    value === undefined ? [] : [option, parts.integer(name, value, description)];
  return {
    program,
    before: [
      '--background',
      '--factory-startup',
      '-noaudio',
      ...threads,
      // Scripts and drivers of a .blend file run only for those who said so.
      fields.scripts ? '--enable-autoexec' : '--disable-autoexec',
      scene,
      '--python-exit-code',
      '1',
      '--python',
    ],
    settings: [
      '--path-mapping',
      '{{Session.PathMappingRulesFile}}',
      ...(fields.engine === undefined ? [] : ['--engine', engineName(fields.engine)]),
      ...number('--samples', 'Samples', fields.samples, 'Samples a pixel.'),
      ...(fields.denoise === undefined ? [] : ['--denoise', String(fields.denoise)]),
      ...number('--width', 'Width', fields.width, 'Pixels, before the percentage.'),
      ...number('--height', 'Height', fields.height, 'Pixels, before the percentage.'),
      ...number('--percentage', 'Percentage', fields.percentage, 'Of width and height.'),
      ...(format === undefined ? [] : ['--format', format]),
    ],
  };
}

const engineName = (engine: 'CYCLES' | 'EEVEE' | 'WORKBENCH'): string =>
  engine === 'WORKBENCH' ? 'BLENDER_WORKBENCH' : engine;

export interface BlenderStep {
  readonly name: string;
  readonly dependsOn?: string | undefined;
  readonly parameterSpace: Record<string, unknown>;
  /** The task parameter with the frames. */
  readonly frames: string;
  /** Path of the pictures, with #### for the number. */
  readonly output: string;
  /** As our script's --tile. */
  readonly tile?: string;
}

/** A step that renders: one Blender a task, or one for all tasks of a session. */
export function blenderStep(
  command: BlenderCommand,
  step: BlenderStep,
  { keepLoaded, timeoutSeconds }: BlenderFields,
): Record<string, unknown> {
  const settings = ['--output', step.output, ...command.settings];
  const tile = step.tile === undefined ? [] : ['--tile', step.tile];
  const head = {
    name: step.name,
    ...when(step.dependsOn, (dependsOn) => ({ dependencies: [{ dependsOn }] })),
  };
  const limits = { ...when(timeoutSeconds, (timeout) => ({ timeout })), ...gentleEnd };
  const { parameterSpace } = step;
  if (keepLoaded) {
    return {
      ...head,
      stepEnvironments: [keptBlender(command, settings)],
      parameterSpace,
      script: {
        actions: {
          onRun: {
            command: 'sh',
            args: ['{{Task.File.Ask}}', pipesFolder, step.frames, ...tile],
            ...limits,
          },
        },
        embeddedFiles: [file('Ask', 'ask-blender.sh', askScript)],
      },
    };
  }
  const args = [...command.before, '{{Task.File.Render}}', '--', ...settings];
  return {
    ...head,
    parameterSpace,
    script: {
      actions: {
        onRun: {
          command: command.program,
          args: [...args, '--frames', step.frames, ...tile],
          ...limits,
        },
      },
      embeddedFiles: [file('Render', 'render.py', renderScript)],
    },
  };
}

const pipesFolder = '{{Session.WorkingDirectory}}/karst-blender';
/** A big scene may take long to load from a cold disk. */
const loadTimeoutSeconds = 1800;
const stopTimeoutSeconds = 60;

function keptBlender(
  { program, before }: BlenderCommand,
  settings: readonly string[],
): Record<string, unknown> {
  const blender = [program, ...before, '{{Env.File.Render}}', '--', '--serve', pipesFolder];
  return {
    name: 'Blender',
    description: 'One Blender with the scene open, which renders what the tasks ask it for.',
    script: {
      actions: {
        onEnter: {
          command: 'sh',
          args: ['{{Env.File.Start}}', pipesFolder, ...blender, ...settings],
          timeout: loadTimeoutSeconds,
        },
        onExit: {
          command: 'sh',
          args: ['{{Env.File.Stop}}', pipesFolder],
          timeout: stopTimeoutSeconds,
        },
      },
      embeddedFiles: [
        file('Start', 'start-blender.sh', startScript),
        file('Stop', 'stop-blender.sh', stopScript),
        file('Render', 'render.py', renderScript),
      ],
    },
  };
}

const file = (name: string, filename: string, data: string) => ({
  name,
  type: 'TEXT',
  filename,
  data,
});
