import {
  checkAttributeValue,
  definedAmounts,
  definedAttribute,
  readCapabilityName,
} from './capabilities.ts';
import { needsExtension } from './extensions.ts';
import { readFormat } from './format-field.ts';
import { parseFormatString, referencesOf, type SymbolTable } from './format-string.ts';
import { attributeValuesMax, hostRequirementsMax } from './limits.ts';
import {
  amountMaxRule,
  amountMinRule,
  readNumericField,
  resolveNumericField,
} from './numeric-field.ts';
import type { ProblemList, ProblemPath } from './problem.ts';
import {
  checkUnique,
  present,
  readItems,
  readKey,
  readList,
  readMap,
  type Validation,
} from './reader.ts';
import { resolveText } from './resolve-text.ts';
import type { ResolvedHostRequirements } from './resolved-job.ts';
import type { Scope } from './scope.ts';
import { isMap, type TemplateMap, type TemplateValue } from './template-value.ts';
import type { AmountRequirement, AttributeRequirement, HostRequirements } from './types.ts';

/** A step's `hostRequirements`. `scope` is the template's: they are resolved at creation. */
export function readHostRequirements(
  validation: Validation,
  value: TemplateValue,
  path: ProblemPath,
  scope: Scope,
): HostRequirements | undefined {
  const map = readMap(validation, value, path, {
    what: 'host requirements',
    required: [],
    optional: ['amounts', 'attributes'],
  });
  if (map === undefined) return undefined;
  const amounts = readRequirements(validation, map, 'amounts', path, (item, at) =>
    readAmount(validation, item, at, scope),
  );
  const attributes = readRequirements(validation, map, 'attributes', path, (item, at) =>
    readAttribute(validation, item, at, scope),
  );
  const count = lengthOf(map, 'amounts') + lengthOf(map, 'attributes');
  if (count === 0) {
    const known = [...map.values()].every((item) => Array.isArray(item));
    if (known) validation.problems.mismatch(path, 'at least 1 amount or attribute', 'none');
  } else if (count > hostRequirementsMax) {
    const expected = `at most ${hostRequirementsMax} amounts and attributes together`;
    validation.problems.mismatch(path, expected, `${count}`);
  }
  return present({ amounts, attributes });
}

function lengthOf(map: TemplateMap, key: string): number {
  const value = map.get(key);
  return Array.isArray(value) ? value.length : 0;
}

function readRequirements<T>(
  validation: Validation,
  map: TemplateMap,
  key: 'amounts' | 'attributes',
  path: ProblemPath,
  read: (value: TemplateValue, path: ProblemPath) => T | undefined,
): T[] | undefined {
  return readKey(map, key, path, (value, at) => {
    const items = readList(validation, value, at, { what: key, min: 0 });
    if (items === undefined) return undefined;
    const named = items.map((item, index) => {
      const name = isMap(item) ? item.get('name') : undefined;
      return {
        name: typeof name === 'string' ? name.toLowerCase() : undefined,
        path: [...at, index, 'name'],
      };
    });
    checkUnique(validation, named, key);
    return readItems(items, at, read);
  });
}

function readAmount(
  validation: Validation,
  value: TemplateValue,
  path: ProblemPath,
  scope: Scope,
): AmountRequirement | undefined {
  const map = readMap(validation, value, path, {
    what: 'an amount requirement',
    required: ['name'],
    optional: ['min', 'max'],
  });
  if (map === undefined) return undefined;
  const name = readKey(map, 'name', path, (item, at) =>
    readCapabilityName(validation, item, at, 'amount'),
  );
  if (!map.has('min') && !map.has('max')) {
    const message = 'an amount requirement needs min, max or both, and has none of them';
    validation.problems.add(path, message, { expected: 'min, max or both', found: 'neither' });
  }
  const refusal = validation.extensions.has('FEATURE_BUNDLE_1')
    ? undefined
    : needsExtension('an amount as text', 'FEATURE_BUNDLE_1');
  const min = readKey(map, 'min', path, (item, at) =>
    readNumericField(validation, item, at, amountMinRule, scope, refusal),
  );
  const max = readKey(map, 'max', path, (item, at) =>
    readNumericField(validation, item, at, amountMaxRule, scope, refusal),
  );
  checkAmountOrder(validation.problems, min, max, path);
  return name === undefined ? undefined : present({ name, min, max });
}

function checkAmountOrder(
  problems: ProblemList,
  min: number | string | undefined,
  max: number | string | undefined,
  path: ProblemPath,
): void {
  if (typeof min !== 'number' || typeof max !== 'number' || min <= max) return;
  problems.mismatch([...path, 'max'], `at least min ${min}`, `${max}`);
}

function readAttribute(
  validation: Validation,
  value: TemplateValue,
  path: ProblemPath,
  scope: Scope,
): AttributeRequirement | undefined {
  const map = readMap(validation, value, path, {
    what: 'an attribute requirement',
    required: ['name'],
    optional: ['anyOf', 'allOf'],
  });
  if (map === undefined) return undefined;
  const name = readKey(map, 'name', path, (item, at) =>
    readCapabilityName(validation, item, at, 'attr'),
  );
  if (!map.has('anyOf') && !map.has('allOf')) {
    const message = 'an attribute requirement needs anyOf, allOf or both, and has none of them';
    validation.problems.add(path, message, { expected: 'anyOf, allOf or both', found: 'neither' });
  }
  const read = (key: 'anyOf' | 'allOf') =>
    readKey(map, key, path, (item, at) => readValues(validation, item, at, key, name, scope));
  const anyOf = read('anyOf');
  const allOf = read('allOf');
  return name === undefined ? undefined : present({ name, anyOf, allOf });
}

function readValues(
  validation: Validation,
  value: TemplateValue,
  path: ProblemPath,
  key: 'anyOf' | 'allOf',
  name: string | undefined,
  scope: Scope,
): string[] | undefined {
  const rule = { what: 'attribute values', min: 1, max: attributeValuesMax };
  const items = readList(validation, value, path, rule);
  if (items === undefined) return undefined;
  const defined = name === undefined ? undefined : definedAttribute(name);
  if (key === 'allOf' && defined !== undefined && items.length > 1) {
    const expected = `at most 1 value, as a host has one value of ${name}`;
    validation.problems.mismatch(path, expected, `${items.length}`);
  }
  return readItems(items, path, (item, at) => {
    const what = 'an attribute value';
    const text = readFormat(validation, item, at, scope, { what, min: 1, control: 'any' });
    if (text === undefined) return undefined;
    const format = parseFormatString(text);
    if (!format.ok || referencesOf(format.value).length > 0) return text;
    return checkAttributeValue(validation.problems, text, at, name) ? text : undefined;
  });
}

/**
 * The requirements of a job's step: references filled in, values checked again, names and values in
 * lower case. A defined amount without min has the least that the specification gives it.
 */
export function resolveHostRequirements(
  { amounts = [], attributes = [] }: HostRequirements,
  path: ProblemPath,
  symbols: SymbolTable,
  problems: ProblemList,
): ResolvedHostRequirements {
  return {
    amounts: amounts.map((amount, index) =>
      resolveAmount(amount, [...path, 'amounts', index], symbols, problems),
    ),
    attributes: attributes.map((attribute, index) =>
      resolveAttribute(attribute, [...path, 'attributes', index], symbols, problems),
    ),
  };
}

function resolveAmount(
  amount: AmountRequirement,
  path: ProblemPath,
  symbols: SymbolTable,
  problems: ProblemList,
): ResolvedHostRequirements['amounts'][number] {
  const name = amount.name.toLowerCase();
  const bound = (key: 'min' | 'max') => {
    const value = amount[key];
    const rule = key === 'min' ? amountMinRule : amountMaxRule;
    return value === undefined
      ? undefined
      : resolveNumericField(value, [...path, key], rule, symbols, problems);
  };
  const min = bound('min');
  const max = bound('max');
  checkAmountOrder(problems, min, max, path);
  const least = Object.hasOwn(definedAmounts, name) ? (definedAmounts[name] ?? 0) : 0;
  const given = amount.min === undefined && least > 0 ? Math.min(least, max ?? least) : min;
  return present({ name, min: given, max });
}

function resolveAttribute(
  attribute: AttributeRequirement,
  path: ProblemPath,
  symbols: SymbolTable,
  problems: ProblemList,
): ResolvedHostRequirements['attributes'][number] {
  const values = (key: 'anyOf' | 'allOf') =>
    attribute[key]?.flatMap((text, index) => {
      const at = [...path, key, index];
      const value = resolveText(text, at, symbols, problems);
      if (value === undefined || !checkAttributeValue(problems, value, at, attribute.name))
        return [];
      return [value.toLowerCase()];
    });
  const name = attribute.name.toLowerCase();
  return present({ name, anyOf: values('anyOf'), allOf: values('allOf') });
}
