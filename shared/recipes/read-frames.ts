import { type Frames, parseFrames } from '../frames/parse-frames.ts';
import type { ProblemPath } from '../openjd/problem.ts';
import type { RecipeReports } from './recipe.ts';

/** A frame list of a recipe file; undefined, with its problems told, when it cannot be read. */
export function readFrames(
  text: string,
  path: ProblemPath,
  { problems, warnings }: RecipeReports,
): Frames | undefined {
  const frames = parseFrames(text);
  if (!frames.ok) {
    for (const { message, expected, found } of frames.error) {
      problems.add(path, message, { expected, found });
    }
    return undefined;
  }
  for (const { message } of frames.value.warnings) warnings.add(path, message);
  return frames.value;
}
