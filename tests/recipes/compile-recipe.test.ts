import { createJob } from '@karst/shared/openjd/create-job.ts';
import { chunkParameters, taskParameters } from '@karst/shared/openjd/parameter-space.ts';
import { validateTemplate } from '@karst/shared/openjd/parse-template.ts';
import { printPath } from '@karst/shared/openjd/problem.ts';
import { outputCheckProblems } from '@karst/shared/outputs/check-problems.ts';
import { compileRecipe, isRecipe } from '@karst/shared/recipes/compile-recipe.ts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { wholePolicy } from '../support/whole-policy.ts';
import { compiled, recipeJob } from './support/hand-session.ts';

const problemsOf = (source: string): string[] => {
  const result = compileRecipe(source);
  if (result.ok) return [];
  return result.error.map(
    ({ line, column, path, message }) => `${line}:${column} ${printPath(path)}: ${message}`,
  );
};

const stepsOf = (source: string) =>
  recipeJob(source).steps.map(({ name, dependsOn, taskCount }) => ({ name, dependsOn, taskCount }));

const argsOf = (source: string, step = 0) => recipeJob(source).steps[step]?.script.onRun.args ?? [];

describe('render with Blender', () => {
  it('is one task a frame unless told otherwise', () => {
    expect(stepsOf('render: {scene: a.blend, frames: 1-240x2}')).toEqual([
      { name: 'Render', dependsOn: [], taskCount: 120 },
    ]);
    expect(recipeJob('render: {scene: a.blend, frames: 1-240x2}').parameters).toMatchObject({
      Scene: { value: 'a.blend', dataFlow: 'IN', objectType: 'FILE' },
      OutputDir: { value: 'frames', dataFlow: 'OUT' },
      Frames: { value: '1-239:2' },
    });
  });

  it('takes frames as a number, a list or text', () => {
    expect(stepsOf('render: {scene: a.blend, frames: 7}')[0]?.taskCount).toBe(1);
    expect(stepsOf('render: {scene: a.blend, frames: [1, 5, 9-12]}')[0]?.taskCount).toBe(6);
    expect(stepsOf('render: {scene: a.blend, frames: -5--1}')[0]?.taskCount).toBe(5);
  });

  it('lets no script of the scene run unless told to', () => {
    expect(argsOf('render: {scene: a.blend}')).toContain('--disable-autoexec');
    const allowed = argsOf('render: {scene: a.blend, scripts: true}');
    expect(allowed).toContain('--enable-autoexec');
    expect(allowed).not.toContain('--disable-autoexec');
    // Blender reads its arguments in order: after the scene it would come too late.
    expect(allowed.indexOf('--enable-autoexec')).toBeLessThan(allowed.indexOf('{{Param.Scene}}'));
  });

  it('has frames in chunks, contiguous ones only where frames are', () => {
    const even = 'render: {scene: a.blend, frames: 1-10, chunk: 4}';
    const [fixed] = recipeJob(even).steps;
    expect(fixed?.taskCount).toBe(3);
    expect(taskParameters(fixed?.parameterSpace, 0).Frames?.value).toBe('1-4');
    const adaptive = 'render: {scene: a.blend, frames: 1-10, chunk: 4, chunkTargetSeconds: 60}';
    const [step] = recipeJob(adaptive).steps;
    expect(step?.taskCount).toBe(10);
    expect(chunkParameters(step?.parameterSpace, 0, 9).Frames?.value).toBe('1-10');
    expect(step?.parameterSpace?.parameters[0]).toMatchObject({
      type: 'CHUNK[INT]',
      chunks: { defaultTaskCount: 4, targetRuntimeSeconds: 60, rangeConstraint: 'CONTIGUOUS' },
    });
    const [stepped] = recipeJob('render: {scene: a.blend, frames: 1-20x2, chunk: 5}').steps;
    expect(stepped?.taskCount).toBe(2);
    expect(taskParameters(stepped?.parameterSpace, 0).Frames?.value).toBe('1-9:2');
  });

  it('shows first, middle and last frame before the rest, then makes the film of all', () => {
    const source = 'render: {scene: a.blend, frames: 1-24, preview: true, movie: true}';
    expect(stepsOf(source)).toEqual([
      { name: 'Preview', dependsOn: [], taskCount: 3 },
      { name: 'Render', dependsOn: [0], taskCount: 21 },
      { name: 'Movie', dependsOn: [0, 1], taskCount: 1 },
    ]);
    expect(recipeJob(source).parameters).toMatchObject({
      PreviewFrames: { value: '1,12,24' },
      Frames: { value: '2-11,13-23' },
    });
  });

  it('holds the rest for approval when asked to, in either renderer', () => {
    for (const scene of ['a.blend', 'a.pov']) {
      const held = compiled(`render: {scene: ${scene}, frames: 1-24, preview: hold, movie: true}`);
      expect(held.policy.steps?.Render?.hold).toBe(true);
      // The template stays what it is without.
      const plain = compiled(
        `render: {scene: ${scene}, frames: 1-24, preview: go on, movie: true}`,
      );
      expect(held.template).toEqual(plain.template);
      expect(plain.policy.steps?.Render?.hold).toBeUndefined();
    }
  });

  it('holds nothing where there is no preview to look at', () => {
    const few = compiled('render: {scene: a.blend, frames: 1-3, preview: hold}');
    expect(few.policy.steps?.Render?.hold).toBeUndefined();
    expect(few.warnings[0]?.message).toContain('nothing is held');
  });

  it('has no preview of three frames, and says so', () => {
    const source = 'render: {scene: a.blend, frames: 1-3, preview: true}';
    expect(stepsOf(source).map(({ name }) => name)).toEqual(['Render']);
    expect(compiled(source).warnings).toMatchObject([{ path: ['render', 'preview'], line: 1 }]);
  });

  it('renders tiles of every frame and puts them together', () => {
    expect(stepsOf('render: {scene: a.blend, frames: 1-2, tiles: 3x2}')).toEqual([
      { name: 'Tile', dependsOn: [], taskCount: 12 },
      { name: 'Assemble', dependsOn: [0], taskCount: 2 },
    ]);
    const assemble = argsOf('render: {scene: a.blend, tiles: {columns: 1, rows: 3}}', 1);
    expect(assemble).toContain(
      '[0:v]null[row0];[1:v]null[row1];[2:v]null[row2];[row0][row1][row2]vstack=inputs=3[whole]',
    );
  });

  it('keeps Blender loaded in an environment of the step', () => {
    const [step] = recipeJob('render: {scene: a.blend, frames: 1-9, keepLoaded: true}').steps;
    expect(step?.environments?.map(({ name }) => name)).toEqual(['Blender']);
    expect(step?.environments?.[0]?.script?.onEnter?.args).toContain('--serve');
    expect(step?.script.onRun.command).toBe('sh');
  });

  it('keeps it loaded by itself where many tasks are a frame or a tile each', () => {
    const keeps = (fields: string) =>
      recipeJob(`render: {scene: a.blend, ${fields}}`).steps[0]?.environments !== undefined;
    expect(keeps('frames: 1-2')).toBe(true);
    expect(keeps('frames: 7, tiles: 2x2')).toBe(true);
    expect(keeps('frames: 1-20, preview: true')).toBe(true);
    expect(keeps('frames: 7')).toBe(false);
    expect(keeps('frames: 1-20, chunk: 5')).toBe(false);
    expect(keeps('frames: 1-2, keepLoaded: false')).toBe(false);
    expect(keeps('frames: 1-20, chunk: 5, keepLoaded: true')).toBe(true);
  });

  it('names pictures after the scene, or as told', () => {
    const output = (fields: string) =>
      argsOf(`render: {scene: shots/my shot.blend, keepLoaded: false, ${fields}}`).find((arg) =>
        arg.startsWith('{{Param.OutputDir}}/'),
      );
    expect(output('frames: 1-2')).toBe('{{Param.OutputDir}}/my-shot_####.png');
    expect(output('frames: 1')).toBe('{{Param.OutputDir}}/my-shot.png');
    expect(output('frames: 1-2, output: out/x.##.exr')).toBe('{{Param.OutputDir}}/x.##.exr');
    expect(output('frames: 1-2, output: x, format: JPEG')).toBe('{{Param.OutputDir}}/x_####.jpg');
  });

  it('takes a whole folder along with the scene in it', () => {
    const job = recipeJob('render: {scene: a/b.blend, folder: show}');
    expect(job.parameters).toMatchObject({ Folder: { value: 'show', dataFlow: 'IN' } });
    expect(argsOf('render: {scene: a/b.blend, folder: show}')).toContain(
      '{{Param.Folder}}/{{Param.Scene}}',
    );
  });

  it('gives a path that is no default as a parameter', () => {
    expect(compiled('render: {scene: ../a.blend}').parameters).toEqual({ Scene: '../a.blend' });
    expect(compiled('render: {scene: /show/a.blend}').parameters).toEqual({
      Scene: '/show/a.blend',
    });
    expect(compiled('render: {scene: show/a.blend}').parameters).toEqual({});
  });

  it('holds lists of frames too long for a parameter in the step itself', () => {
    const frames = Array.from({ length: 400 }, (_, index) => index * index + 3 * index);
    const [step] = stepsOf(`render: {scene: a.blend, frames: [${frames.join(', ')}]}`);
    expect(step?.taskCount).toBe(400);
  });
});

describe('render with POV-Ray', () => {
  it('is a still without frames and an animation with them', () => {
    expect(stepsOf('render: {scene: a.pov}')).toMatchObject([{ name: 'Render', taskCount: 1 }]);
    const args = argsOf('render: {scene: a.pov, frames: 10-20, animation: 1-240}');
    expect(args).toEqual(
      expect.arrayContaining(['+KFI{{Param.FirstFrame}}', '+SF{{Task.Param.Frame}}']),
    );
    expect(
      recipeJob('render: {scene: a.pov, frames: 10-20, animation: 1-240}').parameters,
    ).toMatchObject({ FirstFrame: { value: '1' }, LastFrame: { value: '240' } });
  });
});

describe('what tasks of a recipe have to write', () => {
  const checksOf = (source: string) => {
    const { template, policy } = compiled(source);
    const job = recipeJob(source);
    expect(validateTemplate(template).ok).toBe(true);
    const locations = { OutputDir: 'frames', Movie: 'a.mp4', Pictures: 'frames' };
    const problems = outputCheckProblems({ job, locations }, policy.steps ?? {});
    expect(problems).toEqual([]);
    return Object.fromEntries(
      Object.entries(policy.steps ?? {}).map(([name, { outputs }]) => [
        name,
        outputs?.map(({ files }) => files),
      ]),
    );
  };

  it('is every picture and the film', () => {
    const source = 'render: {scene: a.blend, frames: 1-24, preview: true, movie: true}';
    expect(checksOf(source)).toEqual({
      Preview: ['{{Param.OutputDir}}/a_####.png'],
      Render: ['{{Param.OutputDir}}/a_####.png'],
      Movie: ['{{Param.OutputDir}}/a.mp4'],
    });
    expect(
      checksOf('render: {scene: a.blend, frames: 1-9, chunk: 3, output: s.#####.exr}'),
    ).toEqual({ Render: ['{{Param.OutputDir}}/s.#####.exr'] });
    expect(checksOf('render: {scene: a.pov}')).toEqual({ Render: ['{{Param.OutputDir}}/a.png'] });
    expect(checksOf('render: {scene: a.pov, frames: 1-12}')).toEqual({
      Render: ['{{Param.OutputDir}}/a_##.png'],
    });
    expect(checksOf('encode: {pictures: frames/a_####.png}')).toEqual({
      Encode: ['{{Param.Movie}}'],
    });
  });

  it('is each tile under its own name, then the picture', () => {
    expect(checksOf('render: {scene: a.blend, frames: 1-2, tiles: 2x2}')).toEqual({
      Tile: [
        '{{Param.OutputDir}}/tiles/tile_{{Task.Param.Frame}}_r{{Task.Param.Row}}_c{{Task.Param.Column}}.png',
      ],
      Assemble: ['{{Param.OutputDir}}/a_####.png'],
    });
  });

  it('is what the file says where it says something', () => {
    const policy = 'policy: {steps: {Render: {outputs: [{files: "frames/*.png", decode: full}]}}}';
    expect(checksOf(`render: {scene: a.blend}\n${policy}`)).toEqual({ Render: ['frames/*.png'] });
    const wrong = 'policy: {steps: {Render: {outputs: [{files: "a.png", decod: full}]}}}';
    expect(problemsOf(`render: {scene: a.blend}\n${wrong}`)).toEqual([
      expect.stringContaining('policy.steps.Render.outputs[0].decod: unknown key "decod"'),
    ]);
  });
});

describe('what a recipe file says beside its recipe', () => {
  it('names the job and gives its policy', () => {
    const source = 'name: shot 10\nrender: {scene: a.blend}\npolicy: {priority: 80}';
    expect(recipeJob(source).name).toBe('shot 10');
    expect(compiled(source).policy).toMatchObject({ priority: 80 });
  });

  it('takes a whole policy, with the problems of its parts where they stand', () => {
    const recipe = 'render: {scene: a.blend, frames: 1-24, preview: true}';
    const { policy } = compiled(`${recipe}\npolicy: ${JSON.stringify(wholePolicy)}`);
    expect(policy).toEqual(wholePolicy);
    const wrong = [
      recipe,
      'policy:',
      '  placement: {regoins: [eu]}',
      '  limits: [Nuke]',
      '  failureRules:',
      '  - {name: b, as: x, lgo: "a"}',
    ];
    expect(problemsOf(wrong.join('\n'))).toEqual([
      expect.stringMatching(/^3:15 .*regoins: unknown key "regoins"; did you mean "regions"\?/),
      '4:12 policy.limits[0]: expected 1 to 63 lower-case letters, digits, . _ -, found the text "Nuke"',
      '6:19 policy.failureRules[0].as: expected one of task, node, farm, fatal, found the text "x"',
      '6:22 policy.failureRules[0].lgo: unknown key "lgo"',
    ]);
    const rule = '{name: a, as: farm, exitCodes: [3], steps: [Rendr]}';
    expect(problemsOf(`${recipe}\npolicy:\n  failureRules: [${rule}]`)).toEqual([
      '3:62 policy.failureRules[0].steps[0]: the job has no step "Rendr"; did you mean "Render"? (expected Preview, Render)',
    ]);
  });

  it('holds steps by name, which goes before what the recipe says', () => {
    const fields = '{scene: a.blend, frames: 1-24, preview: hold, movie: true}';
    const steps = '{Movie: {hold: true}, Render: {hold: false}}';
    const { policy } = compiled(`render: ${fields}\npolicy: {steps: ${steps}}`);
    expect(policy).toMatchObject({ steps: { Movie: { hold: true }, Render: { hold: false } } });
    expect(problemsOf(`render: ${fields}\npolicy:\n  steps: {Film: {hold: true}}`)).toEqual([
      '3:11 policy.steps.Film: the job has no step "Film" (expected Preview, Render, Movie)',
    ]);
    expect(problemsOf(`render: ${fields}\npolicy: {steps: {Movie: {hodl: true}}}`)[0]).toContain(
      'did you mean "hold"',
    );
    expect(problemsOf('render: {scene: a.blend, preview: wait}')[0]).toContain(
      'expected true, false, go on or hold',
    );
  });

  it('warns of what could be misunderstood, by line and column', () => {
    expect(compiled('render:\n  scene: a.blend\n  frames: "1-100:10"').warnings).toMatchObject([
      { line: 3, column: 11, message: expect.stringContaining('stagger') },
    ]);
  });
});

describe('a wrong recipe is refused, all of it at once', () => {
  it.each([
    [
      'render: {sceen: a.blend}',
      [
        '1:9 render.scene: the key "scene" is missing; expected text',
        '1:10 render.sceen: unknown key "sceen"; did you mean "scene"? in render with Blender',
      ],
    ],
    [
      'render:\n  scene: a.blend\n  frames: 1-x\n  output: ../x.png',
      [
        '3:11 render.frames: expected frames such as',
        '4:11 render.output: expected a path inside the folder of this file',
      ],
    ],
    [
      'render: {scene: a.blend, engine: CYCELS}',
      [
        '1:34 render.engine: expected one of CYCLES, EEVEE, WORKBENCH, found the text "CYCELS"; did you mean "CYCLES"?',
      ],
    ],
    [
      'render: {scene: a.blend, samples: 0, width: wide}',
      [
        '1:35 render.samples: expected at least 1, found the integer 0',
        '1:45 render.width: expected a number, found the text "wide"',
      ],
    ],
    ['render: {scene: a.blend, movie: {fsp: 3}}', ['"fsp"; did you mean "fps"?']],
    ['render: {scene: "a{{b}}.blend"}', ['1:17 render.scene: expected a path without "{{"']],
    ['render: {scene: a.blend, frames: 1-2, output: a.exr, movie: true}', ['PNG or JPEG']],
    ['render: {scene: a.blend, tiles: 2x2, chunk: 3, preview: true}', ['no chunks', 'no preview']],
    ['render: {scene: a.blend, tiles: 2x2, output: a.jpg}', ['pictures in PNG']],
    ['render: {scene: a.blend, tiles: 1x1}', ['2 tiles or more']],
    ['render: {scene: a.blend, tiles: 2x2, frames: -1}', ['frames from 0 on']],
    ['render: {scene: a.blend, output: a.gif}', ['a name that ends in .png']],
    ['render: {scene: a.blend, output: a#b#.png}', ['one place for the frame number']],
    ['render: {scene: a.blend, output: "a b.png"}', ['a name of letters']],
    ['render: {scene: a.blend, chunkTargetSeconds: 5}', ['chunk beside it']],
    ['render: {scene: a.pov, frames: 1-24, output: a_####.png}', ['## in the name']],
    ['render: {scene: a.pov, frames: 5-30, animation: 1-24}', ['frames within the animation 1-24']],
    ['render: {scene: a.pov, movie: true}', ['frames beside it']],
    ['render: {scene: a.pov, chunk: 4}', ['unknown key "chunk"']],
    ['render: 5', ['1:9 render: expected a map, found the integer 5']],
    ['rendr: {}', ['unknown key "rendr"; did you mean "render"?', 'expected one of the keys']],
    ['render: {scene: a.blend}\nencode: {pictures: a.png}', ['one recipe in a file']],
    ['render: {scene: a.blend}\npolicy: {priorty: 4}', ['"priorty"; did you mean "priority"?']],
    ['render: {scene: a.blend}\npolicy: {priority: 101}', ['expected at most 100']],
    ['specificationVersion: jobtemplate-2023-09', ['a job template already']],
    ['[]', ['a recipe file (a map)']],
    ['render: {', ['not valid YAML']],
  ])('%s', (source, words) => {
    const problems = problemsOf(source);
    expect(problems.length).toBeGreaterThanOrEqual(words.length);
    for (const word of words) expect(problems.join('\n')).toContain(word);
  });

  it('and never throws', () => {
    const value = fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(null));
    const key = fc.constantFrom('scene', 'frames', 'output', 'tiles', 'movie', 'chunk', 'preview');
    fc.assert(
      fc.property(fc.dictionary(fc.oneof(key, fc.string()), value), (fields) => {
        const result = compileRecipe(JSON.stringify({ render: { scene: 'a.blend', ...fields } }), {
          format: 'json',
        });
        if (result.ok) {
          const template = validateTemplate(result.value.template);
          if (!template.ok) throw new Error('a template was refused');
          expect(createJob(template.value, result.value.parameters).ok).toBe(true);
        } else {
          expect(result.error.every(({ line }) => line !== undefined)).toBe(true);
        }
      }),
    );
  });
});

describe('a recipe file is known', () => {
  it('by a key of a recipe, and no job template is one', () => {
    expect(isRecipe('render: {}')).toBe(true);
    expect(isRecipe('specificationVersion: jobtemplate-2023-09\nrender: {}')).toBe(false);
    expect(isRecipe('steps: []')).toBe(false);
    expect(isRecipe('{')).toBe(false);
  });
});
