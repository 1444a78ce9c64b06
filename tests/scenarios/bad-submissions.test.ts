import { type Problem, problemSchema } from '@karst/shared/protocol/problem.ts';
import { routes } from '@karst/shared/protocol/routes.ts';
import { afterEach, expect, it } from 'vitest';
import { putAsset, sha256Of } from './support/assets.ts';
import { farmForFile } from './support/farm-for-file.ts';

const farm = farmForFile();

const header = 'specificationVersion: jobtemplate-2023-09\nname: bad\n';
const step = (name: string, rest = '') =>
  `  - name: ${name}\n    script: { actions: { onRun: { command: 'true' } } }\n${rest}`;
const reading = `${header}parameterDefinitions:
  - { name: Scene, type: PATH, objectType: FILE, dataFlow: IN, default: scene.txt }
steps:
  - name: Render
    script: { actions: { onRun: { command: cat, args: ["{{Param.Scene}}"] } } }
`;

async function refused(body: unknown, path = '/v1/jobs'): Promise<Problem> {
  const answer = await farm().fetch('POST', path, body);
  expect(answer.headers.get('content-type')).toContain('application/problem+json');
  const problem = problemSchema.parse(await answer.json());
  expect(problem.status).toBe(answer.status);
  return problem;
}

afterEach(async () => {
  expect((await farm().api().call(routes.listJobs, {})).items).toEqual([]);
});

it('says in which line a template stops being YAML', async () => {
  const problem = await refused({ template: `${header}steps:\n  - name: "unfinished\n` });
  expect(problem).toMatchObject({ status: 422, code: 'invalid_template' });
  expect(problem.errors?.[0]?.path).toEqual(['template']);
  expect(problem.errors?.[0]?.line).toBeGreaterThanOrEqual(4);
});

it('says where, three levels deep, a value has the wrong type', async () => {
  const template = `${header}steps:\n${step('Render')}  - name: Comp
    script:
      actions:
        onRun:
          command: 'true'
          timeout: soon
`;
  const problem = await refused({ template });
  expect(problem).toMatchObject({
    code: 'invalid_template',
    errors: [
      {
        path: ['template', 'steps', 1, 'script', 'actions', 'onRun', 'timeout'],
        line: 11,
        message: expect.stringContaining('soon'),
      },
    ],
  });
  expect(await refused({ template: 'x', policy: { priority: '7' } })).toMatchObject({
    status: 400,
    code: 'invalid_request',
    errors: [{ path: ['body', 'policy', 'priority'] }],
  });
});

it('refuses ten million tasks, and says how many there may be', async () => {
  const space = `    parameterSpace:
      taskParameterDefinitions: [{ name: Frame, type: INT, range: "1-10000000" }]\n`;
  const problem = await refused({ template: `${header}steps:\n${step('Render', space)}` });
  expect(problem.status).toBe(422);
  expect(problem.detail).toMatch(/10,?000,?000/);
  expect(problem.detail).toMatch(/1,?000,?000/);
});

it('names the steps of a dependency cycle', async () => {
  const after = (name: string) => `    dependencies: [{ dependsOn: ${name} }]\n`;
  const steps = step('A', after('C')) + step('B', after('A')) + step('C', after('B'));
  const problem = await refused({ template: `${header}steps:\n${steps}` });
  expect(problem.code).toBe('invalid_template');
  for (const name of ['A', 'B', 'C']) expect(problem.detail).toContain(name);
});

it('refuses what it does not know or support by name, rather than ignore it', async () => {
  const unknown = await refused({ template: `${header}steps:\n${step('A', '    frames: 1-9\n')}` });
  expect(unknown.detail).toContain('frames');
  const extension = `${header}extensions: [EXPR]\nsteps:\n${step('A')}`;
  expect((await refused({ template: extension })).detail).toContain('EXPR');
  const field = await refused({ template: `${header}steps:\n${step('A')}`, prioritiy: 3 });
  expect(JSON.stringify(field)).toContain('prioritiy');
});

it('refuses a job without its input file, listed or not', async () => {
  expect(await refused({ template: reading })).toMatchObject({
    status: 422,
    code: 'missing_inputs',
    errors: [{ path: ['parameters', 'Scene'], message: expect.stringContaining('scene.txt') }],
  });
  const listed = { path: 'scene.txt', sha256: '0'.repeat(64), sizeBytes: 4 };
  expect(await refused({ template: reading, inputs: [listed] })).toMatchObject({
    code: 'missing_inputs',
    errors: [{ path: ['inputs', 0], message: 'scene.txt has not been uploaded' }],
  });
});

it('refuses an upload whose bytes are not those announced, and then the job', async () => {
  const scene = Buffer.from('a sphere on a plane');
  const garbled = Buffer.from('a sphere on a plate');
  const short = scene.subarray(0, 10);
  for (const sent of [garbled, short]) {
    expect(await putAsset(farm(), scene, sent)).toBeGreaterThanOrEqual(400);
  }
  const input = { path: 'scene.txt', sha256: sha256Of(scene), sizeBytes: scene.length };
  expect(await refused({ template: reading, inputs: [input] })).toMatchObject({
    code: 'missing_inputs',
    errors: [{ path: ['inputs', 0] }],
  });
  expect(await putAsset(farm(), scene)).toBe(200);
});

it('refuses a path that leaves the job’s file tree', async () => {
  const input = { path: '../../etc/passwd', sha256: '0'.repeat(64), sizeBytes: 1 };
  expect(await refused({ template: reading, inputs: [input] })).toMatchObject({
    status: 400,
    errors: [{ path: ['body', 'inputs', 0, 'path'] }],
  });
});
