import { needsExtension } from './extensions.ts';
import { readFormat } from './format-field.ts';
import { raisedLimitHint } from './limits.ts';
import type { ProblemPath } from './problem.ts';
import {
  checkUnique,
  present,
  readBoolean,
  readChoice,
  readIdentifier,
  readItems,
  readKey,
  readList,
  readMap,
  readText,
  type TextRule,
  type Validation,
} from './reader.ts';
import type { Scope } from './scope.ts';
import { isMap, type TemplateValue } from './template-value.ts';
import { quote } from './text-rules.ts';
import type { EmbeddedFile } from './types.ts';

/** `embeddedFiles` of a script. */
export function readEmbeddedFiles(
  validation: Validation,
  value: TemplateValue,
  path: ProblemPath,
  scope: Scope,
): EmbeddedFile[] | undefined {
  const items = readList(validation, value, path, { what: 'embedded files', min: 1 });
  if (items === undefined) return undefined;
  const files = readItems(items, path, (item, at) => readEmbeddedFile(validation, item, at, scope));
  const named = items.map((item, index) => {
    const name = isMap(item) ? item.get('name') : undefined;
    return { name: typeof name === 'string' ? name : undefined, path: [...path, index, 'name'] };
  });
  checkUnique(validation, named, 'embedded files');
  return files;
}

function readEmbeddedFile(
  validation: Validation,
  value: TemplateValue,
  path: ProblemPath,
  scope: Scope,
): EmbeddedFile | undefined {
  const bundled = validation.extensions.has('FEATURE_BUNDLE_1');
  const map = readMap(validation, value, path, {
    what: 'an embedded file',
    required: ['name', 'type', 'data'],
    optional: ['filename', 'runnable', ...(bundled ? ['endOfLine'] : [])],
    unsupported: bundled ? {} : { endOfLine: needsExtension('endOfLine', 'FEATURE_BUNDLE_1') },
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
  const endOfLine = bundled
    ? readKey(map, 'endOfLine', path, (item, at) =>
        readChoice(validation, item, at, ['AUTO', 'LF', 'CRLF'] as const),
      )
    : undefined;
  if (name === undefined || type === undefined || data === undefined) return undefined;
  return present({ name, type, filename, runnable, data, endOfLine });
}

function readFilename(
  validation: Validation,
  value: TemplateValue,
  path: ProblemPath,
): string | undefined {
  const max = validation.limits.filenameMax;
  const maxHint = raisedLimitHint(validation.extensions, 'filenameMax');
  const rule: TextRule = { what: 'a file name', min: 1, max, maxHint, control: 'any' };
  const text = readText(validation, value, path, rule);
  if (text === undefined) return undefined;
  if (text === '.' || text === '..' || /[/\\]/.test(text)) {
    validation.problems.mismatch(path, 'a file name without directories', quote(text));
    return undefined;
  }
  if (text.includes('\0')) {
    validation.problems.mismatch(path, 'a file name without NUL characters', 'U+0000');
    return undefined;
  }
  return text;
}
