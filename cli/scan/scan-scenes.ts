import type { CliContext } from '../context.ts';
import { say } from '../context.ts';
import { count } from '../terminal/text.ts';
import { NoBlenderError, runBlender } from './run-blender.ts';
import type { ScanOptions } from './scan-options.ts';
import type { ScannedScene } from './scene-report.ts';

export interface SceneScan extends ScanOptions {
  /** Absolute paths. */
  scenes: readonly string[];
  /** A Blender that a recipe names: tried where none is given, before `blender`. */
  preferred?: string;
}

/** What the scenes need. Throws NoBlenderError, or a CliError that says what went wrong. */
export async function scanScenes(
  context: CliContext,
  { scenes, blender, preferred = 'blender', pathMap, scanTimeout }: SceneScan,
  signal: AbortSignal,
): Promise<ScannedScene[]> {
  const scan = { scenes, rules: pathMap, timeoutMs: scanTimeout, env: context.env };
  if (context.stderr.isTTY) say(context, `Looking through ${count(scenes.length, 'scene')} …`);
  try {
    return await runBlender({ ...scan, program: blender ?? preferred }, signal);
  } catch (error) {
    // A recipe may name the Blender of the nodes.
    const another = blender === undefined && preferred !== 'blender';
    if (!(error instanceof NoBlenderError) || !another) throw error;
    return await runBlender({ ...scan, program: 'blender' }, signal);
  }
}
