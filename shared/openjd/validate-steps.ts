import type { ProblemPath } from './problem.ts';
import {
  checkUnique,
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
import type { Declared } from './scope.ts';
import { isMap, type TemplateValue } from './template-value.ts';
import type { Step, StepDependency } from './types.ts';
import { unsupportedStepKeys } from './unsupported.ts';
import { checkDependencies } from './validate-dependencies.ts';
import { declaredNames } from './validate-parameters.ts';
import { readScript } from './validate-script.ts';
import { readParameterSpace } from './validate-space.ts';

/** `steps` of a template. */
export function readSteps(
  validation: Validation,
  value: TemplateValue,
  path: ProblemPath,
  jobParameters: Declared,
): Step[] | undefined {
  const items = readList(validation, value, path, { what: 'steps', min: 1 });
  if (items === undefined) return undefined;
  const named = items.map((item, index) => {
    const name = isMap(item) ? item.get('name') : undefined;
    return { name: typeof name === 'string' ? name : undefined, path: [...path, index, 'name'] };
  });
  checkUnique(validation, named, 'steps');
  checkDependencies(validation, items, path);
  return readItems(items, path, (item, at) => readStep(validation, item, at, jobParameters));
}

function readStep(
  validation: Validation,
  value: TemplateValue,
  path: ProblemPath,
  jobParameters: Declared,
): Step | undefined {
  const map = readMap(validation, value, path, {
    what: 'a step',
    required: hasSimpleAction(value) ? ['name'] : ['name', 'script'],
    optional: ['description', 'dependencies', 'parameterSpace', 'script'],
    unsupported: unsupportedStepKeys,
  });
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
  const parameterSpace = readKey(map, 'parameterSpace', path, (item, at) =>
    readParameterSpace(validation, item, at, { kind: 'template', jobParameters }),
  );
  const script = readKey(map, 'script', path, (item, at) =>
    readScript(validation, item, at, {
      kind: 'host',
      jobParameters,
      taskParameters: declaredTaskParameters(map.get('parameterSpace')),
      files: declaredNames(isMap(item) ? item.get('embeddedFiles') : undefined),
    }),
  );
  if (name === undefined || script === undefined) return undefined;
  return present({ name, description, dependencies, parameterSpace, script });
}

function stepNameRule(validation: Validation): TextRule {
  const max = validation.limits.stepNameMax;
  return { what: 'a step name', min: 1, max, control: 'none' };
}

/** A step with bash: or python: lacks no script; its problem is that key. */
function hasSimpleAction(value: TemplateValue): boolean {
  const simple = ['bash', 'cmd', 'node', 'powershell', 'python'];
  return isMap(value) && simple.some((key) => value.has(key));
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
