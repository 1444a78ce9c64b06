import { readHostRequirements } from './host-requirements.ts';
import { raisedLimitHint } from './limits.ts';
import type { ProblemPath } from './problem.ts';
import {
  checkUnique,
  type MapShape,
  present,
  readDescription,
  readItems,
  readKey,
  readList,
  readMap,
  readText,
  type TextRule,
  type Validation,
} from './reader.ts';
import type { Declared, Scope } from './scope.ts';
import { interpreters, readSimpleAction, simpleActionRefusals } from './simple-action.ts';
import { isMap, type TemplateMap, type TemplateValue } from './template-value.ts';
import type { Interpreter, SimpleAction, Step, StepDependency } from './types.ts';
import { unsupportedStepKeys } from './unsupported.ts';
import { checkDependencies } from './validate-dependencies.ts';
import { readEnvironments } from './validate-environment.ts';
import { declaredNames } from './validate-parameters.ts';
import { readScript } from './validate-script.ts';
import { readParameterSpace } from './validate-space.ts';

/** `steps` of a template. */
export function readSteps(
  validation: Validation,
  value: TemplateValue,
  path: ProblemPath,
  jobParameters: Declared,
  jobEnvironments: ReadonlySet<string>,
): Step[] | undefined {
  const items = readList(validation, value, path, { what: 'steps', min: 1 });
  if (items === undefined) return undefined;
  const named = items.map((item, index) => {
    const name = isMap(item) ? item.get('name') : undefined;
    return { name: typeof name === 'string' ? name : undefined, path: [...path, index, 'name'] };
  });
  checkUnique(validation, named, 'steps');
  checkDependencies(validation, items, path);
  return readItems(items, path, (item, at) =>
    readStep(validation, item, at, jobParameters, jobEnvironments),
  );
}

function readStep(
  validation: Validation,
  value: TemplateValue,
  path: ProblemPath,
  jobParameters: Declared,
  jobEnvironments: ReadonlySet<string>,
): Step | undefined {
  const map = readMap(validation, value, path, stepShape(validation, value));
  if (map === undefined) return undefined;
  const name = readKey(map, 'name', path, (item, at) =>
    readText(validation, item, at, stepNameRule(validation)),
  );
  const description = readKey(map, 'description', path, (item, at) =>
    readDescription(validation, item, at),
  );
  const dependencies = readKey(map, 'dependencies', path, (item, at) => {
    const items = readList(validation, item, at, { what: 'dependencies', min: 1 });
    return items === undefined
      ? undefined
      : readItems(items, at, (each, eachAt) => readDependency(validation, each, eachAt));
  });
  const stepEnvironments = readKey(map, 'stepEnvironments', path, (item, at) =>
    readEnvironments(validation, item, at, jobParameters, jobEnvironments),
  );
  const template: Scope = { kind: 'template', jobParameters };
  const hostRequirements = readKey(map, 'hostRequirements', path, (item, at) =>
    readHostRequirements(validation, item, at, template),
  );
  const parameterSpace = readKey(map, 'parameterSpace', path, (item, at) =>
    readParameterSpace(validation, item, at, template),
  );
  const run = readRun(validation, map, path, jobParameters);
  if (name === undefined) return undefined;
  const before = { name, description, dependencies, stepEnvironments, hostRequirements };
  return present({ ...before, parameterSpace, ...run });
}

/** A step has a script or, with FEATURE_BUNDLE_1, one simple action. */
function stepShape({ extensions }: Validation, value: TemplateValue): MapShape {
  const bundled = extensions.has('FEATURE_BUNDLE_1');
  return {
    what: 'a step',
    required: hasSimpleAction(value) ? ['name'] : ['name', 'script'],
    optional: [
      'description',
      'dependencies',
      'stepEnvironments',
      'hostRequirements',
      'parameterSpace',
      'script',
      ...(bundled ? interpreters : []),
    ],
    unsupported: bundled
      ? unsupportedStepKeys
      : { ...unsupportedStepKeys, ...simpleActionRefusals },
  };
}

/** The script or simple action of a step: exactly one of them. */
function readRun(
  validation: Validation,
  map: TemplateMap,
  path: ProblemPath,
  jobParameters: Declared,
): Pick<Step, 'script' | Interpreter> {
  const taskParameters = declaredTaskParameters(map.get('parameterSpace'));
  const scope = { kind: 'host', jobParameters, taskParameters } as const;
  const script = readKey(map, 'script', path, (item, at) => {
    const files = declaredNames(isMap(item) ? item.get('embeddedFiles') : undefined);
    return readScript(validation, item, at, { ...scope, files });
  });
  const run: Partial<Record<Interpreter, SimpleAction>> = {};
  if (!validation.extensions.has('FEATURE_BUNDLE_1')) return { script, ...run };
  const files = declaredNames(undefined);
  let chosen = map.has('script') ? 'script' : undefined;
  for (const key of interpreters) {
    if (!map.has(key)) continue;
    if (chosen !== undefined) {
      const expected = 'one of script, bash, cmd, node, powershell and python';
      const message = `a step has ${expected}, and this one has ${chosen} already`;
      validation.problems.add([...path, key], message, { found: key, expected, atKey: true });
    }
    chosen ??= key;
    run[key] = readKey(map, key, path, (item, at) =>
      readSimpleAction(validation, item, at, { ...scope, files }),
    );
  }
  return { script, ...run };
}

function stepNameRule({ limits, extensions }: Validation): TextRule {
  const maxHint = raisedLimitHint(extensions, 'stepNameMax');
  return { what: 'a step name', min: 1, max: limits.stepNameMax, maxHint, control: 'none' };
}

/** A step with bash: or python: lacks no script. */
function hasSimpleAction(value: TemplateValue): boolean {
  return isMap(value) && interpreters.some((key) => value.has(key));
}

function declaredTaskParameters(space: TemplateValue | undefined): Declared {
  if (space === undefined) return declaredNames(undefined);
  const definitions = isMap(space) ? space.get('taskParameterDefinitions') : undefined;
  return definitions === undefined
    ? { types: new Map(), complete: false }
    : declaredNames(definitions);
}

function readDependency(
  validation: Validation,
  value: TemplateValue,
  path: ProblemPath,
): StepDependency | undefined {
  const map = readMap(validation, value, path, {
    what: 'a dependency',
    required: ['dependsOn'],
    optional: [],
  });
  if (map === undefined) return undefined;
  const dependsOn = readKey(map, 'dependsOn', path, (item, at) =>
    readText(validation, item, at, stepNameRule(validation)),
  );
  return dependsOn === undefined ? undefined : { dependsOn };
}
