import { parseFloatText } from './float-text.ts';
import { fileFiltersMax, filePatternMax, interfaceLabelMax } from './limits.ts';
import { readIntegerText } from './number-text.ts';
import type { ProblemPath } from './problem.ts';
import {
  readChoice,
  readItems,
  readKey,
  readList,
  readMap,
  readText,
  type TextRule,
  type Validation,
} from './reader.ts';
import { describe, type TemplateMap, type TemplateValue, toJson } from './template-value.ts';
import { quote } from './text-rules.ts';
import type { JobParameterType } from './types.ts';

const numberControls = ['SPIN_BOX', 'DROPDOWN_LIST', 'HIDDEN'];
const controls: Record<JobParameterType, readonly string[]> = {
  STRING: ['LINE_EDIT', 'MULTILINE_EDIT', 'DROPDOWN_LIST', 'CHECK_BOX', 'HIDDEN'],
  PATH: ['CHOOSE_INPUT_FILE', 'CHOOSE_OUTPUT_FILE', 'CHOOSE_DIRECTORY', 'DROPDOWN_LIST', 'HIDDEN'],
  INT: numberControls,
  FLOAT: numberControls,
};
const fileControls = ['CHOOSE_INPUT_FILE', 'CHOOSE_OUTPUT_FILE'];
/** Controls that offer the allowed values, and need them. */
const choosing = ['DROPDOWN_LIST', 'CHECK_BOX'];
const checkBoxPairs = ['false true', 'no yes', 'off on', '0 1'];

/** Keys of userInterface beside control and labels, and the controls they are for. */
const extraKeys: Record<JobParameterType, Readonly<Record<string, readonly string[]>>> = {
  STRING: {},
  PATH: { fileFilters: fileControls, fileFilterDefault: fileControls },
  INT: { singleStepDelta: ['SPIN_BOX'] },
  FLOAT: { singleStepDelta: ['SPIN_BOX'], decimals: ['SPIN_BOX'] },
};

// §2.8: an extension has no path separators, wildcards or characters that paths commonly disallow.
const filePattern = /^(?:\*|\*\.\*|\*\.[^\p{Cc}\\/*?[\]#%&{}<>$!'":@`|=]+)$/u;

interface Definition {
  readonly type: JobParameterType;
  readonly map: TemplateMap;
  readonly allowedValues: readonly string[] | undefined;
}

/** Hints for forms. They are checked whole, and passed on as they are. */
export function readUserInterface(
  validation: Validation,
  value: TemplateValue,
  path: ProblemPath,
  definition: Definition,
): Record<string, unknown> | undefined {
  const { type } = definition;
  const map = readMap(validation, value, path, {
    what: `the userInterface of a ${type} parameter`,
    required: [],
    optional: ['control', 'label', 'groupLabel', ...Object.keys(extraKeys[type])],
  });
  if (map === undefined) return undefined;
  const control = readKey(map, 'control', path, (item, at) =>
    readChoice(validation, item, at, controls[type]),
  );
  if (control !== undefined) checkControl(validation, control, [...path, 'control'], definition);
  readKey(map, 'label', path, (item, at) => readText(validation, item, at, labelRule));
  readKey(map, 'groupLabel', path, (item, at) => readText(validation, item, at, labelRule));
  readExtras(validation, map, path, type);
  if (control !== undefined || !map.has('control')) {
    checkExtras(validation, map, path, control ?? defaultControl(definition), type);
  }
  return Object.fromEntries([...map].map(([key, item]) => [key, toJson(item)]));
}

/** The keys that only some types have; on any other they are unknown, which is said already. */
function readExtras(
  validation: Validation,
  map: TemplateMap,
  path: ProblemPath,
  type: JobParameterType,
): void {
  const read = (key: string, reader: (value: TemplateValue, at: ProblemPath) => undefined) => {
    if (Object.hasOwn(extraKeys[type], key)) readKey(map, key, path, reader);
  };
  read('fileFilters', (item, at) => readFilters(validation, item, at));
  read('fileFilterDefault', (item, at) => readFilter(validation, item, at));
  read('decimals', (item, at) => readDecimals(validation, item, at));
  read('singleStepDelta', (item, at) => readDelta(validation, item, at, type));
}

const labelRule: TextRule = { what: 'a label', min: 1, max: interfaceLabelMax, control: 'none' };

function defaultControl({ type, map }: Definition): string {
  if (map.has('allowedValues')) return 'DROPDOWN_LIST';
  if (type === 'STRING') return 'LINE_EDIT';
  if (type !== 'PATH') return 'SPIN_BOX';
  if (map.get('objectType') !== 'FILE') return 'CHOOSE_DIRECTORY';
  return map.get('dataFlow') === 'OUT' ? 'CHOOSE_OUTPUT_FILE' : 'CHOOSE_INPUT_FILE';
}

/** A control must suit what the parameter may be. */
function checkControl(
  { problems }: Validation,
  control: string,
  path: ProblemPath,
  { type, map, allowedValues }: Definition,
): void {
  if (control === 'HIDDEN') return;
  const limited = map.has('allowedValues');
  const refuse = (expected: string, found: string): void => {
    problems.add(path, `the control ${control} needs ${expected}, found ${found}`, {
      expected,
      found,
    });
  };
  if (choosing.includes(control) && !limited) refuse('allowedValues', 'none');
  if (!choosing.includes(control) && limited) {
    refuse('a parameter without allowedValues', 'allowedValues');
  }
  if (control === 'CHECK_BOX' && allowedValues !== undefined) {
    const pair = allowedValues.map((each) => each.toLowerCase()).toSorted();
    if (!checkBoxPairs.includes(pair.join(' '))) {
      const expected = 'allowedValues of true and false, yes and no, on and off, or 1 and 0';
      refuse(expected, allowedValues.slice(0, 5).map(quote).join(', '));
    }
  }
  if (type !== 'PATH' || choosing.includes(control)) return;
  const wanted = fileControls.includes(control) ? 'FILE' : 'DIRECTORY';
  const objectType = map.get('objectType') ?? 'DIRECTORY';
  if (objectType === 'FILE' || objectType === 'DIRECTORY') {
    if (objectType !== wanted) refuse(`objectType ${wanted}`, objectType);
  }
}

/** Keys that only some controls have a use for. */
function checkExtras(
  { problems }: Validation,
  map: TemplateMap,
  path: ProblemPath,
  control: string,
  type: JobParameterType,
): void {
  for (const [key, suited] of Object.entries(extraKeys[type])) {
    if (!map.has(key) || suited.includes(control)) continue;
    const expected = `the control ${suited.join(' or ')}`;
    const message = `${key} is for ${expected}, and the control here is ${control}`;
    problems.add([...path, key], message, { expected, found: control, atKey: true });
  }
}

function readFilters(validation: Validation, value: TemplateValue, path: ProblemPath): undefined {
  const rule = { what: 'file filters', min: 1, max: fileFiltersMax };
  const items = readList(validation, value, path, rule);
  if (items !== undefined) readItems(items, path, (item, at) => readFilter(validation, item, at));
}

function readFilter(validation: Validation, value: TemplateValue, path: ProblemPath): undefined {
  const map = readMap(validation, value, path, {
    what: 'a file filter',
    required: ['label', 'patterns'],
    optional: [],
  });
  if (map === undefined) return;
  readKey(map, 'label', path, (item, at) => readText(validation, item, at, labelRule));
  readKey(map, 'patterns', path, (item, at) => {
    const items = readList(validation, item, at, { what: 'patterns', min: 1, max: fileFiltersMax });
    return items && readItems(items, at, (each, eachAt) => readPattern(validation, each, eachAt));
  });
}

function readPattern(
  validation: Validation,
  value: TemplateValue,
  path: ProblemPath,
): string | undefined {
  const what = 'a file pattern';
  const rule: TextRule = { what, min: 1, max: filePatternMax, control: 'none' };
  const text = readText(validation, value, path, rule);
  if (text === undefined || filePattern.test(text)) return text;
  validation.problems.mismatch(path, 'a file pattern such as *, *.* or *.png', quote(text));
  return undefined;
}

function readDecimals(validation: Validation, value: TemplateValue, path: ProblemPath): undefined {
  const text = readIntegerText(validation.problems, value, path);
  if (text === undefined || !text.startsWith('-')) return;
  validation.problems.mismatch(path, 'an integer of 0 or more', describe(value));
}

function readDelta(
  { problems }: Validation,
  value: TemplateValue,
  path: ProblemPath,
  type: JobParameterType,
): undefined {
  const text = typeof value === 'string' || typeof value === 'bigint' ? String(value) : undefined;
  const number = typeof value === 'number' ? value : parseFloatText(text ?? '');
  const whole = type !== 'INT' || (text !== undefined && /^[+-]?[0-9]+$/.test(text));
  if (number !== undefined && number > 0 && whole) return;
  const expected = type === 'INT' ? 'an integer of 1 or more' : 'a number above 0';
  problems.mismatch(path, expected, describe(value));
}
