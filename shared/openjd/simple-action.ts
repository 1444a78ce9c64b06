import { needsExtension } from './extensions.ts';
import { readFormat } from './format-field.ts';
import type { ProblemPath } from './problem.ts';
import { present, readKey, readMap, type Validation } from './reader.ts';
import type { ResolvedJobAction, ResolvedStep } from './resolved-job.ts';
import type { Scope } from './scope.ts';
import type { TemplateValue } from './template-value.ts';
import type { Interpreter, SimpleAction, Step } from './types.ts';
import { unsupportedScriptKeys } from './unsupported.ts';
import { readActionOptions } from './validate-action.ts';

interface Expansion {
  /** File extension, with its dot. */
  readonly extension: string;
  /** Arguments before the file. */
  readonly before: readonly string[];
}

const expansions: Readonly<Record<Interpreter, Expansion>> = {
  bash: { extension: '.sh', before: [] },
  cmd: { extension: '.bat', before: ['/C'] },
  node: { extension: '.js', before: [] },
  powershell: { extension: '.ps1', before: ['-File'] },
  python: { extension: '.py', before: [] },
};

export const interpreters: readonly Interpreter[] = ['bash', 'cmd', 'node', 'powershell', 'python'];

/** Why each simple action is refused in a template without FEATURE_BUNDLE_1. */
export const simpleActionRefusals: Readonly<Record<string, string>> = Object.fromEntries(
  interpreters.map((key) => [key, needsExtension(key, 'FEATURE_BUNDLE_1')]),
);

/** `bash:`, `python:` and so on, of a step. */
export function readSimpleAction(
  validation: Validation,
  value: TemplateValue,
  path: ProblemPath,
  scope: Scope,
): SimpleAction | undefined {
  const map = readMap(validation, value, path, {
    what: 'a simple action',
    required: ['script'],
    optional: ['args', 'timeout', 'cancelation'],
    unsupported: unsupportedScriptKeys,
  });
  if (map === undefined) return undefined;
  const script = readKey(map, 'script', path, (item, at) =>
    readFormat(validation, item, at, scope, { what: 'the script', min: 1, control: 'any' }),
  );
  const rest = readActionOptions(validation, map, path, scope);
  return script === undefined ? undefined : present({ script, ...rest });
}

/** The simple action of a step that has one. */
export function simpleActionOf(
  step: Step,
): { interpreter: Interpreter; action: SimpleAction } | undefined {
  for (const interpreter of interpreters) {
    const action = step[interpreter];
    if (action !== undefined) return { interpreter, action };
  }
  return undefined;
}

/** The name by which an expanded script refers to its own file. */
const fileName = 'Script';

/** A script that writes the simple action's text to a file and has the interpreter run it. */
export function expandSimpleAction(
  interpreter: Interpreter,
  script: string,
  { args, ...action }: Omit<ResolvedJobAction, 'command'>,
): ResolvedStep['script'] {
  const { extension, before } = expansions[interpreter];
  return {
    onRun: {
      command: interpreter,
      ...action,
      args: [...before, `{{Task.File.${fileName}}}`, ...args],
    },
    embeddedFiles: [
      { name: fileName, filename: `script${extension}`, runnable: false, data: script },
    ],
  };
}
