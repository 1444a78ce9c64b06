import { notifyPeriodMaxSeconds } from './limits.ts';
import type { ProblemPath } from './problem.ts';
import {
  checkUnique,
  present,
  readBoolean,
  readChoice,
  readCount,
  readIdentifier,
  readItems,
  readKey,
  readList,
  readMap,
  readText,
  type TextRule,
  type Validation,
} from './reader.ts';
import { checkFormatString, checkLiteralControls, type Scope } from './scope.ts';
import { isMap, type TemplateValue } from './template-value.ts';
import { quote } from './text-rules.ts';
import type { Action, Cancelation, EmbeddedFile, StepScript } from './types.ts';
import { numericFormatString, unsupportedFileKeys, unsupportedScriptKeys } from './unsupported.ts';

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
    unsupported: unsupportedScriptKeys,
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

function readAction(
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
  const args = readKey(map, 'args', path, (item, at) => {
    const items = readList(validation, item, at, { what: 'arguments', min: 0 });
    const rule: TextRule = { what: 'an argument', control: 'none' };
    return items === undefined
      ? undefined
      : readItems(items, at, (arg, argPath) => readFormat(validation, arg, argPath, scope, rule));
  });
  const timeout = readKey(map, 'timeout', path, (item, at) => readSeconds(validation, item, at));
  const cancelation = readKey(map, 'cancelation', path, (item, at) =>
    readCancelation(validation, item, at),
  );
  return command === undefined ? undefined : present({ command, args, timeout, cancelation });
}

/** A format string whose literal parts obey the rule's control characters. */
function readFormat(
  validation: Validation,
  value: TemplateValue,
  path: ProblemPath,
  scope: Scope,
  rule: TextRule,
): string | undefined {
  const text = readText(validation, value, path, { ...rule, control: 'any' });
  if (text === undefined) return undefined;
  const format = checkFormatString(validation, text, path, scope);
  if (format === undefined) return undefined;
  if (rule.control === 'none' && !checkLiteralControls(validation, format, path, rule.what)) {
    return undefined;
  }
  return text;
}

function readSeconds(
  validation: Validation,
  value: TemplateValue,
  path: ProblemPath,
  max?: number,
): number | undefined {
  if (typeof value === 'string') {
    const expected = 'a number of seconds';
    const found = quote(value);
    const message = `expected ${expected}, found the text ${found}; ${numericFormatString}`;
    validation.problems.add(path, message, { expected, found });
    return undefined;
  }
  return readCount(validation, value, path, max === undefined ? { min: 1 } : { min: 1, max });
}

function readCancelation(
  validation: Validation,
  value: TemplateValue,
  path: ProblemPath,
): Cancelation | undefined {
  const given = isMap(value) ? value.get('mode') : undefined;
  const map = readMap(validation, value, path, {
    what: given === 'TERMINATE' ? 'a cancelation of mode TERMINATE' : 'a cancelation',
    required: ['mode'],
    optional: given === 'TERMINATE' ? [] : ['notifyPeriodInSeconds'],
  });
  if (map === undefined) return undefined;
  const mode = readKey(map, 'mode', path, (item, at) =>
    readChoice(validation, item, at, ['TERMINATE', 'NOTIFY_THEN_TERMINATE'] as const),
  );
  if (mode === undefined) return undefined;
  if (mode === 'TERMINATE') return { mode };
  const notifyPeriodInSeconds = readKey(map, 'notifyPeriodInSeconds', path, (item, at) =>
    readSeconds(validation, item, at, notifyPeriodMaxSeconds),
  );
  return present({ mode, notifyPeriodInSeconds });
}

function readEmbeddedFiles(
  validation: Validation,
  value: TemplateValue,
  path: ProblemPath,
  scope: Scope,
): EmbeddedFile[] | undefined {
  const items = readList(validation, value, path, { what: 'embedded files', min: 1 });
  if (items === undefined) return undefined;
  const files = readItems(items, path, (item, at) => readEmbeddedFile(validation, item, at, scope));
  for (const key of ['name', 'filename']) {
    const named = items.map((item, index) => {
      const name = isMap(item) ? item.get(key) : undefined;
      return { name: typeof name === 'string' ? name : undefined, path: [...path, index, key] };
    });
    checkUnique(validation, named, key === 'name' ? 'embedded files' : 'files to be written');
  }
  return files;
}

function readEmbeddedFile(
  validation: Validation,
  value: TemplateValue,
  path: ProblemPath,
  scope: Scope,
): EmbeddedFile | undefined {
  const map = readMap(validation, value, path, {
    what: 'an embedded file',
    required: ['name', 'type', 'data'],
    optional: ['filename', 'runnable'],
    unsupported: unsupportedFileKeys,
  });
  if (map === undefined) return undefined;
  const name = readKey(map, 'name', path, (item, at) =>
    readIdentifier(validation, item, at, 'an embedded file name'),
  );
  const type = readKey(map, 'type', path, (item, at) =>
    readChoice(validation, item, at, ['TEXT'] as const),
  );
  const filename = readKey(map, 'filename', path, (item, at) => readFilename(validation, item, at));
  const runnable = readKey(map, 'runnable', path, (item, at) => readBoolean(validation, item, at));
  const data = readKey(map, 'data', path, (item, at) =>
    readFormat(validation, item, at, scope, { what: 'the data', min: 1, control: 'any' }),
  );
  if (name === undefined || type === undefined || data === undefined) return undefined;
  return present({ name, type, filename, runnable, data });
}

function readFilename(
  validation: Validation,
  value: TemplateValue,
  path: ProblemPath,
): string | undefined {
  const max = validation.limits.filenameMax;
  const rule: TextRule = { what: 'a file name', min: 1, max, control: 'none' };
  const text = readText(validation, value, path, rule);
  if (text === undefined) return undefined;
  if (text === '.' || text === '..' || /[/\\]/.test(text)) {
    validation.problems.mismatch(path, 'a file name without directories', quote(text));
    return undefined;
  }
  return text;
}
