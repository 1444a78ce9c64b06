import path from 'node:path';
import { z } from 'zod';
import type { CollectedInputs } from '../bundle/collect-inputs.ts';
import { readPathValues } from '../bundle/path-values.ts';
import type { Bundle } from '../bundle/read-bundle.ts';
import type { SuppliedValues } from '../bundle/supplied-values.ts';
import { type CliContext, say } from '../context.ts';
import { CliError, usageError } from '../failure.ts';
import { mapHint, missingLines } from './missing-lines.ts';
import { NoBlenderError } from './run-blender.ts';
import { scanOptionsSchema } from './scan-options.ts';
import { type SceneScan, scanScenes } from './scan-scenes.ts';
import { isMissing, type ScannedScene } from './scene-report.ts';

export const jobScanOptionsSchema = scanOptionsSchema.extend({
  /** Undefined: where the recipe is Blender's and this machine has one. */
  scan: z.boolean().optional(),
  allowMissing: z.boolean().default(false),
});
export type JobScanOptions = z.infer<typeof jobScanOptionsSchema>;

export interface JobScan {
  bundle: Bundle;
  supplied: SuppliedValues;
  /** What the job brings as it is. */
  collected: CollectedInputs;
  options: JobScanOptions;
  signal: AbortSignal;
}

/**
 * Has Blender tell what the job's scenes need; none if nobody asked for it or there is no Blender here.
 * Throws a CliError that lists everything that is missing, unless that is allowed.
 */
export async function scanJob(context: CliContext, job: JobScan): Promise<ScannedScene[]> {
  const { options, signal } = job;
  if (options.scan === false) return [];
  const wanted = scenesOf(job, context.cwd);
  if (wanted === undefined) return [];
  const scanned = await lookThrough(
    context,
    { ...options, scenes: wanted },
    options.scan === true,
    signal,
  );
  const lines = missingLines(scanned);
  const lost = scanned.flatMap(({ files }) => files.filter(isMissing));
  if (lost.length === 0 || options.allowMissing) {
    for (const line of lines) say(context, `missing: ${line}`);
    return scanned;
  }
  const scenes = wanted.length === 1 ? 'The scene needs' : 'The scenes need';
  throw new CliError(`${scenes} what is not there. Nothing was uploaded.`, {
    details: [
      ...lines,
      ...mapHint(scanned),
      '--allow-missing submits all the same, --no-scan without looking.',
    ],
  });
}

async function lookThrough(
  context: CliContext,
  scan: SceneScan,
  isAskedFor: boolean,
  signal: AbortSignal,
): Promise<ScannedScene[]> {
  try {
    return await scanScenes(context, scan, signal);
  } catch (error) {
    if (error instanceof NoBlenderError && !isAskedFor) {
      const scenes = scan.scenes.map((scene) => path.basename(scene)).join(', ');
      say(context, `${error.message} What ${scenes} needs was not looked for.`);
      return [];
    }
    if (!(error instanceof CliError) || signal.aborted) throw error;
    const details = [...error.details, '--no-scan submits without looking.'];
    throw new CliError(error.message, { details, cause: error });
  }
}

/** A recipe knows its scene; of other jobs every .blend file that they bring is looked through. */
function scenesOf(
  { bundle, supplied, collected, options }: JobScan,
  cwd: string,
): string[] | undefined {
  const parts = bundle.recipe?.scene;
  if (parts !== undefined) {
    const paths = new Map(
      readPathValues(bundle, supplied, cwd).map(({ name, absolutePath }) => [name, absolutePath]),
    );
    return [path.join(...parts.map((name) => paths.get(name) ?? textOf(bundle, supplied, name)))];
  }
  if (options.scan !== true) return undefined;
  const scenes = collected.files
    .map(({ absolutePath }) => absolutePath)
    .filter((file) => file.toLowerCase().endsWith('.blend'));
  if (scenes.length === 0) throw usageError('--scan: the job brings no .blend file.');
  return scenes;
}

function textOf({ template }: Bundle, supplied: SuppliedValues, name: string): string {
  const definition = template.parameterDefinitions?.find((each) => each.name === name);
  return String(supplied.get(name)?.value ?? definition?.default ?? '');
}
