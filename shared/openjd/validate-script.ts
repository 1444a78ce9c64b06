import type { ProblemPath } from './problem.ts';
import { present, readKey, readMap, type Validation } from './reader.ts';
import type { Scope } from './scope.ts';
import { interpreters } from './simple-action.ts';
import type { TemplateValue } from './template-value.ts';
import type { StepScript } from './types.ts';
import { unsupportedScriptKeys } from './unsupported.ts';
import { readAction } from './validate-action.ts';
import { readEmbeddedFiles } from './validate-embedded-files.ts';

const misplaced = Object.fromEntries(
  interpreters.map((key) => [key, `${key} stands in the step itself, in place of script`]),
);

/** A step's `script`. */
export function readScript(
  validation: Validation,
  value: TemplateValue,
  path: ProblemPath,
  scope: Scope,
): StepScript | undefined {
  const map = readMap(validation, value, path, {
    what: 'a script',
    required: ['actions'],
    optional: ['embeddedFiles'],
    unsupported: { ...unsupportedScriptKeys, ...misplaced },
  });
  if (map === undefined) return undefined;
  const actions = readKey(map, 'actions', path, (item, at) => {
    const inner = readMap(validation, item, at, {
      what: 'the actions of a step',
      required: ['onRun'],
      optional: [],
    });
    if (inner === undefined) return undefined;
    const onRun = readKey(inner, 'onRun', at, (action, actionPath) =>
      readAction(validation, action, actionPath, scope),
    );
    return onRun === undefined ? undefined : { onRun };
  });
  const embeddedFiles = readKey(map, 'embeddedFiles', path, (item, at) =>
    readEmbeddedFiles(validation, item, at, scope),
  );
  return actions === undefined ? undefined : present({ actions, embeddedFiles });
}
