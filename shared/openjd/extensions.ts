import { suggestion } from './near-miss.ts';
import type { ProblemPath } from './problem.ts';
import { checkUnique, readList, type Validation } from './reader.ts';
import { describe, isList, isMap, type TemplateValue } from './template-value.ts';
import { quote } from './text-rules.ts';

/** Extensions of 2023-09 that templates may ask for here. */
export const supportedExtensions = [
  'TASK_CHUNKING',
  'FEATURE_BUNDLE_1',
  'REDACTED_ENV_VARS',
] as const;
export type Extension = (typeof supportedExtensions)[number];

const namePattern = /^[A-Z_0-9]{3,128}$/;

/** The supported extensions a document asks for, as far as they can be read. */
export function declaredExtensions(document: TemplateValue): ReadonlySet<Extension> {
  const list = isMap(document) ? document.get('extensions') : undefined;
  if (list === undefined || !isList(list)) return new Set();
  return new Set(supportedExtensions.filter((name) => list.includes(name)));
}

/** A template's `extensions`. Every unsupported one is refused by name. */
export function readExtensions(
  validation: Validation,
  value: TemplateValue,
  path: ProblemPath,
): Extension[] | undefined {
  const items = readList(validation, value, path, { what: 'extensions', min: 1 });
  if (items === undefined) return undefined;
  checkUnique(
    validation,
    items.map((item, index) => ({
      name: typeof item === 'string' ? item : undefined,
      path: [...path, index],
    })),
    'extensions',
  );
  const read: Extension[] = [];
  for (const [index, item] of items.entries()) {
    const extension = readExtension(validation, item, [...path, index]);
    if (extension !== undefined) read.push(extension);
  }
  return read;
}

function readExtension(
  { problems }: Validation,
  value: TemplateValue,
  path: ProblemPath,
): Extension | undefined {
  const known = supportedExtensions.find((name) => name === value);
  if (known !== undefined) return known;
  if (typeof value !== 'string' || !namePattern.test(value)) {
    const expected = 'the name of an extension (3 to 128 of A-Z, 0-9 and _)';
    problems.mismatch(path, expected, describe(value));
    return undefined;
  }
  const expected = supportedExtensions.join(', ');
  const hint = suggestion(value, supportedExtensions);
  const message = `the extension ${quote(value)} is not supported yet${hint} (expected ${expected})`;
  problems.add(path, message, { found: value, expected });
  return undefined;
}

/** Why something is refused in a template that does not name the extension it belongs to. */
export function needsExtension(what: string, extension: Extension): string {
  return `${what} belongs to the ${extension} extension; add ${extension} to the template's extensions`;
}
