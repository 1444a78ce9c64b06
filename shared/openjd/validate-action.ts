import { needsExtension } from './extensions.ts';
import { readFormat } from './format-field.ts';
import { referencesOf } from './format-string.ts';
import { notifyPeriodRule, readNumericField, timeoutRule } from './numeric-field.ts';
import type { ProblemPath } from './problem.ts';
import {
  type MapShape,
  present,
  readChoice,
  readItems,
  readKey,
  readList,
  readMap,
  type TextRule,
  type Validation,
} from './reader.ts';
import { checkFormatString, type Scope } from './scope.ts';
import { isMap, type TemplateMap, type TemplateValue } from './template-value.ts';
import type { Action, Cancelation } from './types.ts';

const modes = ['TERMINATE', 'NOTIFY_THEN_TERMINATE'] as const;

export function readAction(
  validation: Validation,
  value: TemplateValue,
  path: ProblemPath,
  scope: Scope,
): Action | undefined {
  const map = readMap(validation, value, path, {
    what: 'an action',
    required: ['command'],
    optional: ['args', 'timeout', 'cancelation'],
  });
  if (map === undefined) return undefined;
  const command = readKey(map, 'command', path, (item, at) =>
    readFormat(validation, item, at, scope, { what: 'a command', min: 1, control: 'none' }),
  );
  const rest = readActionOptions(validation, map, path, scope);
  return command === undefined ? undefined : present({ command, ...rest });
}

/** args, timeout and cancelation: what actions and simple actions share. */
export function readActionOptions(
  validation: Validation,
  map: TemplateMap,
  path: ProblemPath,
  scope: Scope,
): Omit<Action, 'command'> {
  const args = readKey(map, 'args', path, (item, at) => {
    const items = readList(validation, item, at, { what: 'arguments', min: 1 });
    const rule: TextRule = { what: 'an argument', control: 'none' };
    return items === undefined
      ? undefined
      : readItems(items, at, (arg, argPath) => readFormat(validation, arg, argPath, scope, rule));
  });
  const template = templateScope(scope);
  const timeout = readKey(map, 'timeout', path, (item, at) =>
    readNumericField(
      validation,
      item,
      at,
      timeoutRule,
      template,
      textRefusal(validation, 'a timeout as text'),
    ),
  );
  const cancelation = readKey(map, 'cancelation', path, (item, at) =>
    readCancelation(validation, item, at, template),
  );
  return { args, timeout, cancelation };
}

/** Timeouts and notify periods are known when the job is made, unlike the action around them. */
function templateScope({ jobParameters }: Scope): Scope {
  return { kind: 'template', jobParameters };
}

function textRefusal({ extensions }: Validation, what: string): string | undefined {
  return extensions.has('FEATURE_BUNDLE_1') ? undefined : needsExtension(what, 'FEATURE_BUNDLE_1');
}

function readCancelation(
  validation: Validation,
  value: TemplateValue,
  path: ProblemPath,
  scope: Scope,
): Cancelation | undefined {
  const map = readMap(validation, value, path, cancelationShape(value));
  if (map === undefined) return undefined;
  const mode = readKey(map, 'mode', path, (item, at) => readMode(validation, item, at, scope));
  if (mode === undefined || mode === 'TERMINATE') {
    return mode === undefined ? undefined : { mode };
  }
  const notifyPeriodInSeconds = readKey(map, 'notifyPeriodInSeconds', path, (item, at) =>
    readNumericField(
      validation,
      item,
      at,
      notifyPeriodRule,
      scope,
      textRefusal(validation, 'a notify period as text'),
    ),
  );
  return present({ mode, notifyPeriodInSeconds });
}

function cancelationShape(value: TemplateValue): MapShape {
  const terminates = isMap(value) && value.get('mode') === 'TERMINATE';
  return {
    what: terminates ? 'a cancelation of mode TERMINATE' : 'a cancelation',
    required: ['mode'],
    optional: terminates ? [] : ['notifyPeriodInSeconds'],
  };
}

/** One of the modes, or with FEATURE_BUNDLE_1 a format string that gives one. */
function readMode(
  validation: Validation,
  value: TemplateValue,
  path: ProblemPath,
  scope: Scope,
): string | undefined {
  if (typeof value !== 'string' || !value.includes('{{')) {
    return readChoice(validation, value, path, modes);
  }
  const refusal = textRefusal(validation, 'a mode with references');
  if (refusal !== undefined) {
    validation.problems.add(path, refusal, { found: value, expected: modes.join(' or ') });
    return undefined;
  }
  const format = checkFormatString(validation, value, path, scope);
  if (format === undefined || referencesOf(format).length === 0) return undefined;
  return value;
}
