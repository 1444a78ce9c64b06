import type { ResolvedJob, ResolvedParameter } from '@karst/shared/openjd/resolved-job.ts';
import type { InputFile } from '@karst/shared/protocol/files.ts';
import { treePathSchema } from '@karst/shared/protocol/files.ts';
import type { StudioId } from '@karst/shared/protocol/ids.ts';
import type { Submission } from '@karst/shared/protocol/job.ts';
import type { FieldError } from '@karst/shared/protocol/problem.ts';
import { ProblemError } from '../http/handler.ts';
import type { AssetPresence } from './asset-presence.ts';

const ERRORS_LISTED_MAX = 50;

const flows = (parameter: ResolvedParameter) => (parameter.dataFlow ?? 'NONE') !== 'NONE';

/** Whether the parameter's location must hold input files. */
const takesInput = ({ dataFlow }: ResolvedParameter) => dataFlow !== 'OUT';

/** Whether `path` is `location` or lies below it. */
export const isAt = (path: string, location: string): boolean =>
  path === location || path.startsWith(`${location}/`);

/**
 * Where each PATH parameter that travels stands in the job's file tree: where the submission says, else
 * the last component of its value. One without dataFlow travels (in) only if the submission gives it a
 * location, as clients do for a default inside the bundle. Throws ProblemError invalid_parameters.
 */
export function locate(job: ResolvedJob, submission: Submission): Record<string, string> {
  const errors: FieldError[] = [];
  const locations: Record<string, string> = {};
  for (const name of Object.keys(submission.locations)) {
    const parameter = job.parameters[name];
    if (parameter?.type === 'PATH') continue;
    errors.push({ path: ['locations', name], message: `"${name}" is no PATH parameter` });
  }
  for (const [name, parameter] of Object.entries(job.parameters)) {
    if (parameter.type !== 'PATH') continue;
    if (!flows(parameter) && submission.locations[name] === undefined) continue;
    const given = submission.locations[name] ?? lastComponent(parameter.value);
    const location = treePathSchema.safeParse(given);
    if (location.success) locations[name] = location.data;
    else {
      const message = `found "${parameter.value}", expected a path whose last component names a file or directory`;
      errors.push({ path: ['parameters', name], message });
    }
  }
  if (errors.length > 0) {
    throw new ProblemError('invalid_parameters', errors[0]?.message ?? 'not valid', errors);
  }
  return locations;
}

/**
 * The submission's own output directories as PATH parameters that no template can name, so that all
 * who handle outputs know one kind of them.
 */
export function withOutputs(
  job: ResolvedJob,
  locations: Record<string, string>,
  { outputs }: Submission,
): { job: ResolvedJob; locations: Record<string, string> } {
  const named = [...new Set(outputs)].map((place, index) => [`outputs:${index}`, place] as const);
  if (named.length === 0) return { job, locations };
  const parameters = named.map(([name, value]): [string, ResolvedParameter] => [
    name,
    { type: 'PATH', value, dataFlow: 'OUT', objectType: 'DIRECTORY' },
  ]);
  return {
    job: { ...job, parameters: { ...job.parameters, ...Object.fromEntries(parameters) } },
    locations: { ...locations, ...Object.fromEntries(named) },
  };
}

const lastComponent = (value: string) => value.split(/[\\/]/).filter(Boolean).at(-1) ?? '';

/**
 * Every input file must have been uploaded and every IN parameter must have some. Throws ProblemError
 * missing_inputs that lists them.
 */
export async function checkInputs(
  presence: AssetPresence,
  studio: StudioId,
  job: ResolvedJob,
  locations: Record<string, string>,
  { inputs, assets }: Submission,
): Promise<void> {
  const places = new Set([...Object.values(locations), ...assets]);
  const errors = [...unplaced(inputs, places), ...empty(job, inputs, locations)];
  const hashes = inputs.map(({ sha256 }) => sha256);
  const sizes = await presence.sizes(studio, hashes);
  for (const [index, { path, sha256, sizeBytes }] of inputs.entries()) {
    const stored = sizes.get(sha256);
    if (stored === sizeBytes) continue;
    if (stored === undefined) {
      errors.push({ path: ['inputs', index], message: `${path} has not been uploaded` });
    } else {
      const message = `${path}: found ${stored} bytes in storage, expected ${sizeBytes}`;
      errors.push({ path: ['inputs', index, 'sizeBytes'], message });
    }
  }
  const [first] = errors;
  if (first === undefined) return;
  const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : '';
  throw new ProblemError(
    'missing_inputs',
    `${first.message}${more}`,
    errors.slice(0, ERRORS_LISTED_MAX),
  );
}

function unplaced(inputs: readonly InputFile[], places: ReadonlySet<string>): FieldError[] {
  const errors: FieldError[] = [];
  const seen = new Set<string>();
  for (const [index, { path }] of inputs.entries()) {
    if (seen.has(path))
      errors.push({ path: ['inputs', index], message: `${path} is listed twice` });
    seen.add(path);
    if (isPlaced(path, places)) continue;
    const message = `${path} lies at no PATH parameter's location and at no asset's`;
    errors.push({ path: ['inputs', index, 'path'], message });
  }
  return errors;
}

/** Whether the path or a directory it lies in is among the places. */
function isPlaced(path: string, places: ReadonlySet<string>): boolean {
  if (places.has(path)) return true;
  for (let end = path.lastIndexOf('/'); end > 0; end = path.lastIndexOf('/', end - 1)) {
    if (places.has(path.slice(0, end))) return true;
  }
  return false;
}

function empty(
  job: ResolvedJob,
  inputs: readonly InputFile[],
  locations: Record<string, string>,
): FieldError[] {
  const errors: FieldError[] = [];
  for (const [name, location] of Object.entries(locations)) {
    const parameter = job.parameters[name];
    if (parameter === undefined || !takesInput(parameter)) continue;
    const isFile = parameter.objectType === 'FILE';
    const found = inputs.some(({ path }) => (isFile ? path === location : isAt(path, location)));
    if (found || parameter.dataFlow === 'INOUT') continue;
    const message = isFile
      ? `the file of "${name}" (${location}) is not among the inputs`
      : `no input lies below "${name}" (${location})`;
    errors.push({ path: ['parameters', name], message });
  }
  return errors;
}
