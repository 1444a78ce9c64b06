import type { CliContext } from '../context.ts';
import { say } from '../context.ts';
import { count } from '../terminal/text.ts';
import { runBlender } from './run-blender.ts';
import type { ScanOptions } from './scan-options.ts';
import type { ScannedScene } from './scene-report.ts';

export interface SceneScan extends ScanOptions {
  /** Absolute paths. */
  scenes: readonly string[];
}

/**
 * What the scenes need. Throws NoBlenderError, or a CliError that says what went wrong. Never runs a
 * program that a job names: jobs come from elsewhere.
 */
export async function scanScenes(
  context: CliContext,
  { scenes, blender, pathMap, scanTimeout }: SceneScan,
  signal: AbortSignal,
): Promise<ScannedScene[]> {
  const program = blender ?? context.env.KARST_BLENDER ?? 'blender';
  if (context.stderr.isTTY) say(context, `Looking through ${count(scenes.length, 'scene')} …`);
  const rules = pathMap;
  return runBlender({ program, scenes, rules, timeoutMs: scanTimeout, env: context.env }, signal);
}
