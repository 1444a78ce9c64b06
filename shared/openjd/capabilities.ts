import { attributeValueMax, capabilityNameMax } from './limits.ts';
import { suggestion } from './near-miss.ts';
import type { ProblemList, ProblemPath } from './problem.ts';
import { checkText, readText, type Validation } from './reader.ts';
import type { TemplateValue } from './template-value.ts';
import { quote } from './text-rules.ts';

/** The amounts the specification defines, and the least of each a session is given. */
export const definedAmounts: Readonly<Record<string, number>> = {
  'amount.worker.vcpu': 1,
  'amount.worker.memory': 0,
  'amount.worker.gpu': 0,
  'amount.worker.gpu.memory': 0,
  'amount.worker.disk.scratch': 0,
};

/** The attributes the specification defines, and their values; a host has one value of each. */
export const definedAttributes: Readonly<Record<string, readonly string[]>> = {
  'attr.worker.os.family': ['linux', 'windows', 'macos'],
  'attr.worker.cpu.arch': ['x86_64', 'arm64'],
};

const reservedScopes = ['worker', 'job', 'step', 'task'];
const namePatterns = {
  amount: /^(?:[a-z_][a-z0-9_]*:)?amount(?:\.[a-z_][a-z0-9_]*)+$/i,
  attr: /^(?:[a-z_][a-z0-9_]*:)?attr(?:\.[a-z_][a-z0-9_]*)+$/i,
};
const valuePattern = /^[A-Za-z_][A-Za-z0-9_-]*$/;

/** `amount.worker.vcpu`, `studio:attr.renderer`: any case, at most 100 characters. */
export function readCapabilityName(
  validation: Validation,
  value: TemplateValue,
  path: ProblemPath,
  kind: 'amount' | 'attr',
): string | undefined {
  const { problems } = validation;
  const what = kind === 'amount' ? 'the name of an amount' : 'the name of an attribute';
  const rule = { what, min: 1, max: capabilityNameMax, control: 'any' } as const;
  const text = readText(validation, value, path, rule);
  if (text === undefined) return undefined;
  const defined = Object.keys(kind === 'amount' ? definedAmounts : definedAttributes);
  if (!namePatterns[kind].test(text)) {
    const expected = `${what} such as ${defined[0]} or ${kind}.<name>`;
    const found = quote(text);
    const message = `expected ${expected}, found ${found}${suggestion(text, defined)}`;
    problems.add(path, message, { expected, found });
    return undefined;
  }
  const lower = text.toLowerCase();
  if (defined.includes(lower)) return text;
  const scope = lower.slice(lower.indexOf(':') + 1).split('.')[1] ?? '';
  if (!reservedScopes.includes(scope)) return text;
  const known = defined.filter((each) => each.startsWith(`${kind}.${scope}.`));
  const expected = known.length === 0 ? 'another name' : `one of ${known.join(', ')}`;
  const message = `${kind}.${scope} is reserved for names of the specification; expected ${expected}, found ${quote(text)}${suggestion(lower, known)}`;
  problems.add(path, message, { expected, found: quote(text) });
  return undefined;
}

/**
 * What is wrong with the name of a capability that a node offers beside the specification's own, which
 * its inventory tells; undefined for a good one. In lower case, as names are compared.
 */
export function capabilityNameMistake(kind: 'amount' | 'attr', name: string): string | undefined {
  const expected = `expected a name such as ${kind}.acme_licence or acme:${kind}.licence`;
  if (name.length > capabilityNameMax || !namePatterns[kind].test(name)) {
    return `${expected}, of at most ${capabilityNameMax} characters`;
  }
  if (name !== name.toLowerCase()) return `${expected}, in lower case`;
  const scope = name.slice(name.indexOf(':') + 1).split('.')[1] ?? '';
  if (!reservedScopes.includes(scope)) return undefined;
  return `${expected}: ${kind}.${scope} is reserved for names of the specification`;
}

/** Whether a custom attribute may have this value. */
export const isAttributeValue = (text: string): boolean =>
  text.length <= attributeValueMax && valuePattern.test(text);

/** The values of an attribute the specification defines; undefined for any other. */
export function definedAttribute(name: string): readonly string[] | undefined {
  const key = name.toLowerCase();
  return Object.hasOwn(definedAttributes, key) ? definedAttributes[key] : undefined;
}

/** Length, characters and, of a defined attribute, that the value is one of its own. */
export function checkAttributeValue(
  problems: ProblemList,
  text: string,
  path: ProblemPath,
  name: string | undefined,
): boolean {
  const what = 'an attribute value';
  const rule = { what, min: 1, max: attributeValueMax, control: 'any' } as const;
  if (!checkText(problems, text, path, rule)) return false;
  const defined = name === undefined ? undefined : definedAttribute(name);
  if (defined !== undefined) {
    if (defined.includes(text.toLowerCase())) return true;
    const expected = `one of ${defined.join(', ')}`;
    const found = quote(text);
    const message = `expected ${expected}, found ${found}${suggestion(text, defined)}`;
    problems.add(path, message, { expected, found });
    return false;
  }
  if (valuePattern.test(text)) return true;
  const expected = `${what} of letters A-Z a-z, digits, _ and -, starting with a letter or _`;
  problems.mismatch(path, expected, quote(text));
  return false;
}
