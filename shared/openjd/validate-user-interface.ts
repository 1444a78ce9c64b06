import type { ProblemPath } from './problem.ts';
import { readChoice, readKey, readMap, readText, type Validation } from './reader.ts';
import { type TemplateValue, toJson } from './template-value.ts';
import type { JobParameterType } from './types.ts';

const numberControls = ['SPIN_BOX', 'DROPDOWN_LIST', 'HIDDEN'];
const controls: Record<JobParameterType, readonly string[]> = {
  STRING: ['LINE_EDIT', 'MULTILINE_EDIT', 'DROPDOWN_LIST', 'CHECK_BOX', 'HIDDEN'],
  PATH: ['CHOOSE_INPUT_FILE', 'CHOOSE_OUTPUT_FILE', 'CHOOSE_DIRECTORY', 'DROPDOWN_LIST', 'HIDDEN'],
  INT: numberControls,
  FLOAT: numberControls,
};

const extraKeys: Record<JobParameterType, readonly string[]> = {
  STRING: [],
  PATH: ['fileFilters', 'fileFilterDefault'],
  INT: ['singleStepDelta'],
  FLOAT: ['singleStepDelta', 'decimals'],
};

/** Hints for forms: keys, control and labels are checked, the rest is passed on as it is. */
export function readUserInterface(
  validation: Validation,
  value: TemplateValue,
  path: ProblemPath,
  type: JobParameterType,
  labelMax: number,
): Record<string, unknown> | undefined {
  const map = readMap(validation, value, path, {
    what: `the userInterface of a ${type} parameter`,
    required: [],
    optional: ['control', 'label', 'groupLabel', ...extraKeys[type]],
  });
  if (map === undefined) return undefined;
  const label = { what: 'a label', min: 1, max: labelMax, control: 'none' } as const;
  readKey(map, 'control', path, (item, at) => readChoice(validation, item, at, controls[type]));
  readKey(map, 'label', path, (item, at) => readText(validation, item, at, label));
  readKey(map, 'groupLabel', path, (item, at) => readText(validation, item, at, label));
  return Object.fromEntries([...map].map(([key, item]) => [key, toJson(item)]));
}
