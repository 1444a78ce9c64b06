import type { z } from 'zod';
import { fieldMap } from './field-problems.ts';
import { crfField, fpsField, pathField, timeoutField } from './field-schemas.ts';
import { movieExtensions, movieStep } from './movie-step.ts';
import { readOutputPattern } from './output-pattern.ts';
import type { RecipeJob, RecipeRequest } from './recipe.ts';
import { TemplateParts, when } from './template-parts.ts';

/** `encode`: an mp4 of pictures that are there already, by ffmpeg. */
export const encodeFieldsSchema = fieldMap('encode', {
  pictures: pathField,
  folder: pathField.optional(),
  output: pathField.optional(),
  fps: fpsField.default(24),
  crf: crfField.default(18),
  timeoutSeconds: timeoutField.optional(),
});

export function compileEncode(
  fields: z.infer<typeof encodeFieldsSchema>,
  request: RecipeRequest,
): RecipeJob | undefined {
  const { reports, path } = request;
  const at = [...path, 'pictures'];
  const rule = {
    defaultFolder: 'frames',
    defaultName: 'frame',
    extensions: movieExtensions,
    numbered: true,
    digits: 4,
  };
  const pattern = readOutputPattern(fields.pictures, at, rule, reports);
  if (pattern === undefined) return undefined;
  if (fields.folder !== undefined && fields.pictures.includes('/')) {
    reports.problems.mismatch(at, 'only a name, as there is a folder', fields.pictures);
    return undefined;
  }
  const parts = new TemplateParts();
  const stem = pattern.prefix.replace(/[._-]+$/, '');
  const movie = fields.output ?? `${stem === '' ? 'movie' : stem}.mp4`;
  const step = movieStep({
    name: 'Encode',
    dependsOn: [],
    folder: parts.input('Pictures', 'DIRECTORY', fields.folder ?? pattern.folder, 'The pictures.'),
    movie: parts.output('Movie', 'FILE', movie, 'The film.'),
    pattern,
    fps: parts.text('Fps', String(fields.fps), 'Frames a second.'),
    crf: parts.integer('Crf', fields.crf, 'Quality: 0 loses nothing, 51 is worst.', 0),
    timeoutSeconds: fields.timeoutSeconds,
  });
  return {
    template: {
      specificationVersion: 'jobtemplate-2023-09',
      name: request.name ?? movie.split('/').at(-1) ?? 'encode',
      ...when(request.description, (description) => ({ description })),
      parameterDefinitions: parts.definitions,
      steps: [step],
    },
    parameters: parts.values,
    stepPolicies: { Encode: { outputs: [{ files: '{{Param.Movie}}' }] } },
  };
}
