import { createJob, resolvedJobSchema } from '@karst/shared/openjd/create-job.ts';
import { taskCount, taskParameters } from '@karst/shared/openjd/parameter-space.ts';
import { validateEnvironmentTemplate } from '@karst/shared/openjd/parse-environment.ts';
import { parseTemplate, validateTemplate } from '@karst/shared/openjd/parse-template.ts';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

const source = `specificationVersion: jobtemplate-2023-09
extensions: [FEATURE_BUNDLE_1, TASK_CHUNKING, REDACTED_ENV_VARS]
name: "Shot {{Param.Shot}}"
description: A demo
parameterDefinitions:
  - {name: Shot, type: STRING, default: a10, allowedValues: [a10, a20], minLength: 1}
  - name: Scene
    type: PATH
    default: scene.blend
    objectType: FILE
    dataFlow: IN
    userInterface: {control: CHOOSE_INPUT_FILE, fileFilters: [{label: Blend, patterns: ["*.blend"]}]}
  - {name: Last, type: INT, default: 24, minValue: 1, maxValue: 1000}
  - {name: Scale, type: FLOAT, default: 0.5, userInterface: {decimals: 2}}
jobEnvironments:
  - name: Session
    variables: {SHOT: "{{Param.Shot}}", HOME: "{{Session.WorkingDirectory}}"}
  - name: Blender
    script:
      actions:
        onEnter: {command: "{{Env.File.Start}}", timeout: "{{Param.Last}}"}
        onExit: {command: stop, cancelation: {mode: NOTIFY_THEN_TERMINATE}}
      embeddedFiles: [{name: Start, type: TEXT, data: "x {{Param.Scene}}", endOfLine: LF}]
steps:
  - name: Render
    stepEnvironments: [{name: Tile, variables: {A: b}}]
    hostRequirements:
      amounts: [{name: amount.worker.vcpu, min: "{{Param.Last}}"}, {name: amount.seats, max: 2}]
      attributes: [{name: attr.worker.os.family, anyOf: [linux, macos]}, {name: attr.x, allOf: ["{{Param.Shot}}"]}]
    parameterSpace:
      combination: (Frame, Cam) * Tile
      taskParameterDefinitions:
        - {name: Frame, type: INT, range: "1-3"}
        - {name: Cam, type: STRING, range: [left, right, "{{Param.Shot}}"]}
        - {name: Tile, type: INT, range: [0, 1]}
    script:
      actions:
        onRun:
          command: blender
          args: ["-b", "{{Param.Scene}}", "-f", "{{Task.Param.Frame}}", "{{Task.File.Run}}"]
          timeout: 600
          cancelation: {mode: NOTIFY_THEN_TERMINATE, notifyPeriodInSeconds: 10}
      embeddedFiles:
        - {name: Run, type: TEXT, filename: run.sh, runnable: true, data: "echo {{Task.Param.Cam}}"}
  - name: Film
    dependencies: [{dependsOn: Render}]
    parameterSpace:
      taskParameterDefinitions:
        - name: Part
          type: CHUNK[INT]
          range: "1-{{Param.Last}},100"
          chunks: {defaultTaskCount: 10, targetRuntimeSeconds: 60, rangeConstraint: CONTIGUOUS}
    bash: {script: "ffmpeg {{Task.Param.Part}}", args: [-v], timeout: 60}
`;

function original(): unknown {
  const parsed = parseTemplate(source);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.error));
  return JSON.parse(JSON.stringify(parsed.value.template));
}

/** Every place in a JSON value, as a path. */
function places(value: unknown, path: (string | number)[] = []): (string | number)[][] {
  if (typeof value !== 'object' || value === null) return [path];
  const entries: [string | number, unknown][] = Array.isArray(value)
    ? [...value.entries()]
    : Object.entries(value);
  return [path, ...entries.flatMap(([key, item]) => places(item, [...path, key]))];
}

/** The value with what is at `path` replaced; undefined leaves it out. */
function replaced(value: unknown, path: readonly (string | number)[], by: unknown): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return by;
  if (Array.isArray(value)) {
    return value.map((item, index) => (index === key ? replaced(item, rest, by) : item));
  }
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [
      name,
      name === key ? replaced(item, rest, by) : item,
    ]),
  );
}

const template = original();
const everyPlace = places(template);
const strange = fc.oneof(
  fc.anything({ withNullPrototype: true, withBigInt: true, withSparseArray: true }),
  fc.jsonValue(),
  fc.constantFrom(
    '{{',
    '}}',
    '{{Param.Shot}}',
    '1-5,3',
    '__proto__',
    'CHUNK[INT]',
    '{{Param.Last}}',
    '{{Env.File.Start}}',
    'amount.worker.x',
    '',
    '\0',
    'Render',
    -1,
    1e308,
  ),
  fc.constant(undefined),
);

const environmentSource = {
  specificationVersion: 'environment-2023-09',
  extensions: ['FEATURE_BUNDLE_1'],
  parameterDefinitions: [{ name: 'Last', type: 'INT', default: 9, maxValue: 30 }],
  environment: {
    name: 'Conda',
    variables: { A: '{{Param.Last}}' },
    script: {
      actions: { onEnter: { command: 'conda', args: ['{{Env.File.Setup}}'], timeout: '60' } },
      embeddedFiles: [{ name: 'Setup', type: 'TEXT', data: 'x' }],
    },
  },
};

describe('whatever the template', () => {
  test('the unchanged template is accepted and makes a job', () => {
    const valid = validateTemplate(template);
    const job = valid.ok ? createJob(valid.value, {}) : valid;
    expect(job.ok && job.value.steps.map((step) => step.taskCount)).toEqual([6, 25]);
  });

  test('data with one or two places replaced is accepted whole or refused with paths', () => {
    const change = fc.tuple(fc.constantFrom(...everyPlace), strange);
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 2 }), (changes) => {
        let mutated: unknown = template;
        for (const [path, by] of changes) mutated = replaced(mutated, path, by);
        const result = validateTemplate(mutated);
        if (!result.ok) {
          expect(result.error.length).toBeGreaterThan(0);
          for (const problem of result.error) {
            expect(Array.isArray(problem.path)).toBe(true);
            expect(problem.message).not.toBe('');
          }
          return;
        }
        const job = createJob(result.value, {}, { tasksPerJobMax: 1_000_000 });
        if (!job.ok) {
          expect(job.error.every(({ path }) => path.length > 0)).toBe(true);
          return;
        }
        expect(resolvedJobSchema.parse(JSON.parse(JSON.stringify(job.value)))).toEqual(job.value);
        for (const step of job.value.steps) {
          expect(taskCount(step.parameterSpace)).toBe(step.taskCount);
          taskParameters(step.parameterSpace, step.taskCount - 1);
        }
      }),
      { numRuns: 1500 },
    );
  });

  test('an environment template with a place replaced is accepted or refused with paths, and merged', () => {
    const valid = validateTemplate(template);
    if (!valid.ok) throw new Error('refused');
    const inEnvironment = places(environmentSource);
    fc.assert(
      fc.property(fc.constantFrom(...inEnvironment), strange, (path, by) => {
        const result = validateEnvironmentTemplate(replaced(environmentSource, path, by));
        if (!result.ok) {
          expect(result.error.every(({ message }) => message !== '')).toBe(true);
          return;
        }
        const job = createJob(valid.value, {}, { environments: [result.value] });
        if (!job.ok) expect(job.error.every((problem) => problem.path.length > 0)).toBe(true);
        else expect(resolvedJobSchema.parse(job.value)).toEqual(job.value);
      }),
      { numRuns: 500 },
    );
  });

  test('text with pieces cut out, doubled or put in never throws, and each refusal has a place', () => {
    const piece = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 8 }),
      fc.constantFrom(
        '{{',
        '}}',
        '&a ',
        '*a',
        '- ',
        ': ',
        '\n',
        '\t',
        '[',
        '{',
        '"',
        "'",
        '|\n',
        '? ',
        '!!x ',
        '%',
        '<<: ',
      ),
    );
    const cut = fc.tuple(fc.nat(source.length), fc.nat(20), piece);
    fc.assert(
      fc.property(fc.array(cut, { minLength: 1, maxLength: 4 }), fc.boolean(), (cuts, asJson) => {
        let text = asJson ? JSON.stringify(template) : source;
        for (const [at, length, put] of cuts)
          text = text.slice(0, at) + put + text.slice(at + length);
        const result = parseTemplate(text, asJson ? 'json' : 'yaml');
        if (result.ok) return;
        for (const problem of result.error) {
          expect(problem.line).toBeGreaterThan(0);
          expect(problem.column).toBeGreaterThan(0);
          expect(problem.message).not.toBe('');
        }
      }),
      { numRuns: 1000 },
    );
  });

  test('parameter values of any kind never throw', () => {
    const valid = validateTemplate(template);
    if (!valid.ok) throw new Error('refused');
    const value = fc.oneof(fc.string(), fc.double(), fc.integer());
    const name = fc.oneof(
      fc.constantFrom('Shot', 'Scene', 'Last', 'Scale', '__proto__'),
      fc.string(),
    );
    fc.assert(
      fc.property(fc.dictionary(name, value, { noNullPrototype: false }), (values) => {
        const job = createJob(valid.value, values);
        if (!job.ok) expect(job.error.length).toBeGreaterThan(0);
      }),
    );
  });
});
