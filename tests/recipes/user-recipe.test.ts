import { compileRecipe } from '@karst/shared/recipes/compile-recipe.ts';
import { parseUserRecipe, type UserRecipe } from '@karst/shared/recipes/user-recipe.ts';
import { describe, expect, it } from 'vitest';

const source = `
recipe:
  name: bake
  fields:
    model: Model
    frames: { parameter: Frames, frames: true }
    quality: Quality
specificationVersion: jobtemplate-2023-09
name: bake {{Param.Quality}}
parameterDefinitions:
  - { name: Model, type: PATH, objectType: FILE, dataFlow: IN }
  - { name: Script, type: PATH, objectType: FILE, dataFlow: IN, default: bake.py }
  - { name: Out, type: PATH, dataFlow: OUT, default: baked }
  - { name: Frames, type: STRING, default: "1" }
  - { name: Quality, type: INT, default: 3, maxValue: 5 }
steps:
  - name: Bake
    parameterSpace:
      taskParameterDefinitions: [{ name: Frame, type: INT, range: "{{Param.Frames}}" }]
    script:
      actions:
        onRun: { command: bake, args: ["{{Param.Script}}", "{{Param.Model}}", "{{Param.Out}}"] }
`;

function recipe(folder = ''): UserRecipe {
  const parsed = parseUserRecipe(source, { folder });
  if (!parsed.ok) throw new Error(parsed.error.map(({ message }) => message).join('\n'));
  return parsed.value;
}

const compile = (text: string, folder?: string) =>
  compileRecipe(text, { recipes: [recipe(folder)] });

const defaultsOf = (text: string, folder?: string): Record<string, unknown> => {
  const result = compile(text, folder);
  if (!result.ok) throw new Error(result.error.map(({ message }) => message).join('\n'));
  const { parameterDefinitions } = result.value.template;
  const rows: unknown = parameterDefinitions;
  const defaults: Record<string, unknown> = {};
  for (const row of Array.isArray(rows) ? rows : []) defaults[row.name] = row.default;
  return { ...defaults, ...result.value.parameters };
};

describe('a recipe of a studio’s own', () => {
  it('gives its template the fields as defaults of parameters', () => {
    const result = compile('bake: {model: a.blend, frames: 1-9x2, quality: 5}');
    expect(result.ok && result.value.template).toMatchObject({
      specificationVersion: 'jobtemplate-2023-09',
      name: 'bake {{Param.Quality}}',
    });
    expect(result.ok && result.value.template).not.toHaveProperty('recipe');
    expect(defaultsOf('bake: {model: a.blend, frames: 1-9x2, quality: 5}')).toEqual({
      Model: 'a.blend',
      Script: 'bake.py',
      Out: 'baked',
      Frames: '1-9:2',
      Quality: '5',
    });
  });

  it('finds its own files in its own folder, wherever the job file is', () => {
    expect(defaultsOf('bake: {model: a.blend}', 'studio')).toMatchObject({
      Script: 'studio/bake.py',
      Out: 'baked',
    });
    expect(defaultsOf('bake: {model: a.blend}', '../studio')).toMatchObject({
      Script: '../studio/bake.py',
    });
  });

  it.each([
    ['bake: {modle: a.blend}', '"modle"; did you mean "model"?'],
    ['bake: {}', 'expected the key "model" of bake'],
    ['bake: {model: a.blend, frames: 1-}', 'the last frame is missing'],
    ['bake: {model: [1]}', 'expected text or a number'],
    ['bake: {model: a.blend, quality: 9}', 'the compiled template is refused'],
    ['bake: 7', 'the fields of bake (a map)'],
    ['bakke: {}', '"bakke"; did you mean "bake"?'],
  ])('refuses %s', (text, words) => {
    const result = compile(text);
    const told = result.ok ? '' : result.error.map(({ message }) => message).join('\n');
    expect(told).toContain(words);
  });
});

describe('a recipe that is wrong is refused by line and column', () => {
  it.each([
    [
      'a parameter that is not there',
      source.replace('model: Model', 'model: Modell'),
      5,
      'a parameter of the template',
    ],
    [
      'frames for an INT',
      source.replace('parameter: Frames', 'parameter: Quality'),
      6,
      'a STRING parameter for frames',
    ],
    ['the name of a built-in', source.replace('name: bake', 'name: render'), 3, 'is taken'],
    ['a name with spaces', source.replace('name: bake', 'name: Bake It'), 3, 'lower-case letters'],
    [
      'a mistake in its template',
      source.replace('command: bake', 'comand: bake'),
      22,
      'did you mean "command"?',
    ],
    [
      'a misspelt key of the header',
      source.replace('  fields:', '  felds:'),
      4,
      'did you mean "fields"?',
    ],
    ['no header', source.replace('recipe:', 'recipes:'), 2, 'a "recipe" key, which is missing'],
  ])('%s', (_, text, line, words) => {
    const parsed = parseUserRecipe(text, { folder: '' });
    const problems = parsed.ok ? [] : parsed.error;
    expect(problems.map(({ message }) => message).join('\n')).toContain(words);
    expect(problems.map((problem) => problem.line)).toContain(line);
  });
});
