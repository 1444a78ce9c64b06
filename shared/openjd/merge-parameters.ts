import { err, ok, type Result } from '../result.ts';
import { compareNumbers } from './parameter-constraints.ts';
import { type Problem, ProblemList, type ProblemPath } from './problem.ts';
import { present } from './reader.ts';
import type {
  EnvironmentTemplate,
  JobParameterDefinition,
  JobTemplate,
  PathParameterDefinition,
} from './types.ts';
import { checkConsistency } from './validate-parameters.ts';

/** One template's definition of a parameter, and what to call that template. */
interface Sourced {
  readonly source: string;
  readonly definition: JobParameterDefinition;
}

/**
 * The parameters of a job in its environments: definitions of one name become one, in the order
 * environments then job. Constraints only narrow, and the last default, description and
 * userInterface win. Definitions that contradict each other are problems at ["parameters", name].
 */
export function mergeParameters(
  template: Pick<JobTemplate, 'parameterDefinitions'>,
  environments: readonly Pick<EnvironmentTemplate, 'parameterDefinitions' | 'environment'>[] = [],
): Result<JobParameterDefinition[], Problem[]> {
  const sources = new Map<string, Sourced[]>();
  const collect = (
    source: string,
    definitions: readonly JobParameterDefinition[] | undefined,
  ): void => {
    for (const definition of definitions ?? []) {
      const known = sources.get(definition.name) ?? [];
      sources.set(definition.name, [...known, { source, definition }]);
    }
  };
  for (const { environment, parameterDefinitions } of environments) {
    collect(`the environment "${environment.name}"`, parameterDefinitions);
  }
  collect('the job template', template.parameterDefinitions);
  const problems = new ProblemList();
  const merged: JobParameterDefinition[] = [];
  for (const [name, definitions] of sources) {
    const definition = mergeOne(definitions, ['parameters', name], problems);
    if (definition !== undefined) merged.push(definition);
  }
  return problems.count > 0 ? err(problems.all()) : ok(merged);
}

function mergeOne(
  sourced: readonly Sourced[],
  path: ProblemPath,
  problems: ProblemList,
): JobParameterDefinition | undefined {
  const [first, ...others] = sourced;
  if (first === undefined || others.length === 0) return first?.definition;
  let merged = first.definition;
  for (const other of others) {
    const next = mergeTwo(merged, other.definition, (key, a, b) => {
      const message = `${key} of the parameter "${merged.name}" is ${a} in ${first.source} and ${b} in ${other.source}; expected the same in both`;
      problems.add(path, message, { found: `${a} and ${b}`, expected: `one ${key}` });
    });
    if (next === undefined) return undefined;
    merged = next;
  }
  const before = problems.count;
  const { allowedValues } = merged;
  if (allowedValues !== undefined && allowedValues.length === 0) {
    const names = sourced.map(({ source }) => source).join(' and ');
    const message = `no value of the parameter "${merged.name}" is allowed by ${names} alike`;
    problems.add(path, message, { found: 'no common allowedValues', expected: 'at least 1' });
  } else {
    checkConsistency(problems, merged, path);
  }
  return problems.count > before ? undefined : merged;
}

type Differ = (key: string, a: string, b: string) => void;

function mergeTwo(
  a: JobParameterDefinition,
  b: JobParameterDefinition,
  differ: Differ,
): JobParameterDefinition | undefined {
  const shared = {
    name: a.name,
    description: b.description ?? a.description,
    default: b.default ?? a.default,
    allowedValues: commonValues(a, b),
    userInterface: b.userInterface ?? a.userInterface,
  };
  if (a.type === 'INT' && b.type === 'INT') {
    return present({ ...shared, type: a.type, ...narrowBounds('INT', a, b) });
  }
  if (a.type === 'FLOAT' && b.type === 'FLOAT') {
    return present({ ...shared, type: a.type, ...narrowBounds('FLOAT', a, b) });
  }
  if (a.type === 'STRING' && b.type === 'STRING') {
    return present({ ...shared, type: a.type, ...narrowLengths(a, b) });
  }
  if (a.type === 'PATH' && b.type === 'PATH') {
    const kind = pathKind(a, b, differ);
    if (kind === undefined) return undefined;
    return present({ ...shared, type: a.type, ...narrowLengths(a, b), ...kind });
  }
  differ('type', a.type, b.type);
  return undefined;
}

function pathKind(
  a: PathParameterDefinition,
  b: PathParameterDefinition,
  differ: Differ,
): Pick<PathParameterDefinition, 'objectType' | 'dataFlow'> | undefined {
  const [first, second] = [a.objectType ?? 'DIRECTORY', b.objectType ?? 'DIRECTORY'];
  if (first !== second) differ('objectType', first, second);
  const flows = a.dataFlow !== undefined && b.dataFlow !== undefined && a.dataFlow !== b.dataFlow;
  if (flows) differ('dataFlow', a.dataFlow, b.dataFlow);
  if (first !== second || flows) return undefined;
  return { objectType: b.objectType ?? a.objectType, dataFlow: b.dataFlow ?? a.dataFlow };
}

/** In the order of the later definition. */
function commonValues(
  a: JobParameterDefinition,
  b: JobParameterDefinition,
): readonly string[] | undefined {
  const { allowedValues: first } = a;
  const { allowedValues: second } = b;
  if (first === undefined || second === undefined) return second ?? first;
  return second.filter((value) =>
    first.some((each) =>
      b.type === 'FLOAT' ? compareNumbers('FLOAT', each, value) === 0 : each === value,
    ),
  );
}

interface Bounds {
  readonly minValue?: string | undefined;
  readonly maxValue?: string | undefined;
}

function narrowBounds(type: 'INT' | 'FLOAT', a: Bounds, b: Bounds): Bounds {
  const pick = (x: string | undefined, y: string | undefined, sign: number) =>
    x === undefined || (y !== undefined && compareNumbers(type, y, x) * sign > 0) ? y : x;
  return {
    minValue: pick(a.minValue, b.minValue, 1),
    maxValue: pick(a.maxValue, b.maxValue, -1),
  };
}

interface Lengths {
  readonly minLength?: number | undefined;
  readonly maxLength?: number | undefined;
}

function narrowLengths(a: Lengths, b: Lengths): Lengths {
  const known = (x: number | undefined, y: number | undefined) =>
    [x, y].filter((each) => each !== undefined);
  const mins = known(a.minLength, b.minLength);
  const maxs = known(a.maxLength, b.maxLength);
  return {
    minLength: mins.length === 0 ? undefined : Math.max(...mins),
    maxLength: maxs.length === 0 ? undefined : Math.min(...maxs),
  };
}
