import { suggestion } from './near-miss.ts';
import type { ProblemPath } from './problem.ts';
import { readKey, readText, type Validation } from './reader.ts';
import { describe, isMap, type TemplateMap, type TemplateValue } from './template-value.ts';
import { quote } from './text-rules.ts';

/** The two kinds of template, by their specificationVersion. */
export const documentKinds = {
  'jobtemplate-2023-09': 'a job template',
  'environment-2023-09': 'an environment template',
} as const;

export type SpecificationVersion = keyof typeof documentKinds;

const versions: readonly SpecificationVersion[] = ['jobtemplate-2023-09', 'environment-2023-09'];

/** The kind of template a document says it is; undefined when it names none that is known. */
export function documentVersion(value: TemplateValue): SpecificationVersion | undefined {
  const given = isMap(value) ? value.get('specificationVersion') : undefined;
  return versions.find((version) => version === given);
}

/** The kind a document says it is; else the kind it looks like: one with an environment and no steps. */
export function documentKind(value: TemplateValue): SpecificationVersion {
  const looksLikeEnvironment =
    isMap(value) && value.get('environment') !== undefined && value.get('steps') === undefined;
  const likely = looksLikeEnvironment ? 'environment-2023-09' : 'jobtemplate-2023-09';
  return documentVersion(value) ?? likely;
}

/** True when the document is of the other kind, which is then the one problem worth reporting. */
export function isOtherKind(
  { problems }: Validation,
  value: TemplateValue,
  wanted: SpecificationVersion,
): boolean {
  const version = documentVersion(value);
  if (version === undefined || version === wanted) return false;
  const expected = `${documentKinds[wanted]} (${wanted})`;
  const found = `${documentKinds[version]} (${version})`;
  problems.mismatch(['specificationVersion'], expected, found);
  return true;
}

export function readVersion(
  { problems }: Validation,
  value: TemplateValue,
  path: ProblemPath,
  wanted: SpecificationVersion,
): undefined {
  if (value === wanted) return;
  const hint = typeof value === 'string' ? suggestion(value, [wanted]) : '';
  const found = describe(value);
  problems.add(path, `expected ${quote(wanted)}, found ${found}${hint}`, {
    expected: wanted,
    found,
  });
}

/** `$schema` is for editors: any text, and ignored. */
export function readSchemaKey(validation: Validation, map: TemplateMap): void {
  const rule = { what: 'the address of a schema', control: 'any' } as const;
  readKey(map, '$schema', [], (item, at) => readText(validation, item, at, rule));
}
