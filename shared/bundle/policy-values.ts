import { suggestion } from '../openjd/near-miss.ts';
import type { ProblemList, ProblemPath } from '../openjd/problem.ts';
import { describe, type TemplateValue } from '../openjd/template-value.ts';
import { quote } from '../openjd/text-rules.ts';
import type { PolicyValues } from '../protocol/policy-fields.ts';

/** What a bundle asks for, under Karst's own names. Absent: not said. */
export interface BundlePolicy extends PolicyValues {
  /** The job starts held. */
  paused?: boolean;
}

interface PolicyValue {
  readonly name: string;
  readonly value: TemplateValue;
  readonly nameAt: ProblemPath;
  readonly valueAt: ProblemPath;
}

type Read = (problems: ProblemList, value: TemplateValue, path: ProblemPath) => BundlePolicy;

const readers: Readonly<Record<string, Read>> = {
  'deadline:priority': (...given) => said('priority', readInteger(100, ...given)),
  'deadline:maxRetriesPerTask': (...given) => said('maxRetriesPerTask', readInteger(100, ...given)),
  'deadline:maxFailedTasksCount': (...given) =>
    said('maxFailedTasks', readInteger(1_000_000, ...given)),
  'deadline:targetTaskRunStatus': readStatus,
};

/** Takes one `deadline:` value into the policy. Those that mean something else are refused by name. */
export function readPolicyValue(
  problems: ProblemList,
  policy: BundlePolicy,
  { name, value, nameAt, valueAt }: PolicyValue,
): void {
  const read = Object.hasOwn(readers, name) ? readers[name] : undefined;
  if (read !== undefined) {
    Object.assign(policy, read(problems, value, valueAt));
    return;
  }
  const known = Object.keys(readers);
  const expected = known.join(', ');
  problems.add(
    nameAt,
    `${quote(name)} is not supported${suggestion(name, known)} (expected ${expected})`,
    { found: name, expected },
  );
}

const said = (key: keyof BundlePolicy, value: number | undefined): BundlePolicy =>
  value === undefined ? {} : { [key]: value };

/** An integer, or one written as text, from 0 to `max`. */
function readInteger(
  max: number,
  problems: ProblemList,
  value: TemplateValue,
  path: ProblemPath,
): number | undefined {
  const isText = typeof value === 'string' && /^\d{1,15}$/.test(value);
  if (typeof value === 'bigint' || isText) {
    const number = Number(value);
    if (number >= 0 && number <= max) return number;
  }
  problems.mismatch(path, `a whole number from 0 to ${max}`, describe(value));
  return undefined;
}

function readStatus(problems: ProblemList, value: TemplateValue, path: ProblemPath): BundlePolicy {
  if (value === 'READY') return { paused: false };
  if (value === 'SUSPENDED') return { paused: true };
  const hint = typeof value === 'string' ? suggestion(value, ['READY', 'SUSPENDED']) : '';
  const found = describe(value);
  const expected = 'READY or SUSPENDED';
  problems.add(path, `expected ${expected}, found ${found}${hint}`, { expected, found });
  return {};
}
