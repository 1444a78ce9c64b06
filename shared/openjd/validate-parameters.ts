import { parameterValueMax } from './limits.ts';
import { readFloatText, readIntegerText } from './number-text.ts';
import { brokenConstraints, compareNumbers } from './parameter-constraints.ts';
import type { ProblemList, ProblemPath } from './problem.ts';
import {
  checkUnique,
  type MapShape,
  present,
  readChoice,
  readCount,
  readDescription,
  readIdentifier,
  readItems,
  readKey,
  readList,
  readMap,
  readText,
  type Validation,
} from './reader.ts';
import type { Declared } from './scope.ts';
import { isList, isMap, type TemplateMap, type TemplateValue } from './template-value.ts';
import type { JobParameterDefinition, JobParameterType } from './types.ts';
import { unsupportedJobParameterTypes } from './unsupported.ts';
import { readUserInterface } from './validate-user-interface.ts';

const parameterTypes: readonly JobParameterType[] = ['STRING', 'PATH', 'INT', 'FLOAT'];
const sharedKeys = ['description', 'default', 'allowedValues', 'userInterface'];
const keysOf: Record<JobParameterType, readonly string[]> = {
  STRING: ['minLength', 'maxLength'],
  PATH: ['minLength', 'maxLength', 'objectType', 'dataFlow'],
  INT: ['minValue', 'maxValue'],
  FLOAT: ['minValue', 'maxValue'],
};

/** The names and types a list of definitions declares, as far as they can be read. */
export function declaredNames(value: TemplateValue | undefined): Declared {
  const types = new Map<string, string>();
  if (value === undefined) return { types, complete: true };
  if (!isList(value)) return { types, complete: false };
  let complete = true;
  for (const item of value) {
    const name = isMap(item) ? item.get('name') : undefined;
    const type = isMap(item) ? item.get('type') : undefined;
    if (typeof name === 'string') types.set(name, typeof type === 'string' ? type : 'unknown');
    else complete = false;
  }
  return { types, complete };
}

/** `parameterDefinitions` of a template. */
export function readJobParameters(
  validation: Validation,
  value: TemplateValue,
  path: ProblemPath,
): JobParameterDefinition[] | undefined {
  const max = validation.limits.parameterDefinitionsMax;
  const rule = { what: 'parameter definitions', min: 1, max };
  const items = readList(validation, value, path, rule);
  if (items === undefined) return undefined;
  const definitions = readItems(items, path, (item, at) => readDefinition(validation, item, at));
  const names = items.map((item, index) => {
    const name = isMap(item) ? item.get('name') : undefined;
    return {
      name: typeof name === 'string' ? name : undefined,
      path: [...path, index, 'name'],
    };
  });
  checkUnique(validation, names, 'job parameters');
  return definitions;
}

function readDefinition(
  validation: Validation,
  value: TemplateValue,
  path: ProblemPath,
): JobParameterDefinition | undefined {
  const type = isMap(value) ? readType(validation, value, path) : undefined;
  const typeKeys = type === undefined ? [...new Set(Object.values(keysOf).flat())] : keysOf[type];
  const shape: MapShape = {
    what: type === undefined ? 'a parameter definition' : `a parameter definition of type ${type}`,
    required: ['name', 'type'],
    optional: [...sharedKeys, ...typeKeys],
  };
  const map = readMap(validation, value, path, shape);
  if (map === undefined) return undefined;
  const name = readKey(map, 'name', path, (item, at) =>
    readIdentifier(validation, item, at, 'a parameter name'),
  );
  const description = readKey(map, 'description', path, (item, at) =>
    readDescription(validation, item, at),
  );
  if (type === undefined) return undefined;
  const base = { name: name ?? '', description, ...readValues(validation, map, path, type) };
  const constraints = readConstraints(validation, map, path, type);
  const definition = present<JobParameterDefinition>({ ...base, ...constraints });
  checkConsistency(validation.problems, definition, path);
  return name === undefined ? undefined : definition;
}

function readType(
  validation: Validation,
  map: TemplateMap,
  path: ProblemPath,
): JobParameterType | undefined {
  return readKey(map, 'type', path, (item, at) => {
    if (typeof item === 'string' && Object.hasOwn(unsupportedJobParameterTypes, item)) {
      validation.problems.add(at, unsupportedJobParameterTypes[item] ?? '', { found: item });
      return undefined;
    }
    return readChoice(validation, item, at, parameterTypes);
  });
}

/** default, allowedValues and userInterface: the keys every type has. */
function readValues(
  validation: Validation,
  map: TemplateMap,
  path: ProblemPath,
  type: JobParameterType,
) {
  const readValue = (item: TemplateValue, at: ProblemPath) =>
    readTypedValue(validation, item, at, type);
  const allowedValues = readKey(map, 'allowedValues', path, (item, at) => {
    const items = readList(validation, item, at, { what: 'allowed values', min: 1 });
    return items === undefined ? undefined : readItems(items, at, readValue);
  });
  return {
    default: readKey(map, 'default', path, readValue),
    allowedValues,
    userInterface: readKey(map, 'userInterface', path, (item, at) =>
      readUserInterface(validation, item, at, { type, map, allowedValues }),
    ),
  };
}

function readTypedValue(
  validation: Validation,
  value: TemplateValue,
  path: ProblemPath,
  type: JobParameterType,
): string | undefined {
  if (type === 'INT') return readIntegerText(validation.problems, value, path);
  if (type === 'FLOAT') return readFloatText(validation.problems, value, path);
  const rule = { what: 'a value', max: parameterValueMax, control: 'any' } as const;
  return readText(validation, value, path, rule);
}

function readConstraints(
  validation: Validation,
  map: TemplateMap,
  path: ProblemPath,
  type: JobParameterType,
) {
  const length = (key: 'minLength' | 'maxLength') =>
    readKey(map, key, path, (item, at) =>
      readCount(validation, item, at, { min: key === 'minLength' ? 0 : 1 }),
    );
  const bound = (key: string) =>
    readKey(map, key, path, (item, at) => readTypedValue(validation, item, at, type));
  switch (type) {
    case 'STRING':
      return { type, minLength: length('minLength'), maxLength: length('maxLength') };
    case 'PATH':
      return {
        type,
        minLength: length('minLength'),
        maxLength: length('maxLength'),
        objectType: readKey(map, 'objectType', path, (item, at) =>
          readChoice(validation, item, at, ['FILE', 'DIRECTORY'] as const),
        ),
        dataFlow: readKey(map, 'dataFlow', path, (item, at) =>
          readChoice(validation, item, at, ['NONE', 'IN', 'OUT', 'INOUT'] as const),
        ),
      };
    case 'INT':
      return { type, minValue: bound('minValue'), maxValue: bound('maxValue') };
    case 'FLOAT':
      return { type, minValue: bound('minValue'), maxValue: bound('maxValue') };
  }
}

/** A definition must not contradict itself: bounds in order, default and allowed values within. */
export function checkConsistency(
  problems: ProblemList,
  definition: JobParameterDefinition,
  path: ProblemPath,
): void {
  if (definition.type === 'INT' || definition.type === 'FLOAT') {
    const { type, minValue, maxValue } = definition;
    if (minValue !== undefined && maxValue !== undefined) {
      if (compareNumbers(type, minValue, maxValue) > 0) {
        problems.mismatch([...path, 'maxValue'], `at least minValue ${minValue}`, maxValue);
        return;
      }
    }
  } else {
    const { minLength, maxLength } = definition;
    if (minLength !== undefined && maxLength !== undefined && minLength > maxLength) {
      problems.mismatch([...path, 'maxLength'], `at least minLength ${minLength}`, `${maxLength}`);
      return;
    }
  }
  const { allowedValues, ...bounds } = definition;
  for (const [index, value] of (allowedValues ?? []).entries()) {
    for (const { message, ...details } of brokenConstraints(bounds, value)) {
      problems.add([...path, 'allowedValues', index], message, details);
    }
  }
  if (definition.default === undefined) return;
  for (const { message, ...details } of brokenConstraints(definition, definition.default)) {
    problems.add([...path, 'default'], `the default does not fit: ${message}`, details);
  }
}
