import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { onTestFinished } from 'vitest';
import { runCommand } from '../../../scripts/run-command.ts';
import { succeeded } from './hand-session.ts';

/** A directory of the test's own. */
export async function testDir(): Promise<string> {
  const dir = await mkdtemp(path.join(tmpdir(), 'karst-recipe-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true, maxRetries: 3 }));
  return dir;
}

const script = path.resolve(import.meta.dirname, '../../../examples/recipes/make-scene.py');

/** Has Blender make the scene; answers the .blend file. */
export async function makeScene(dir: string): Promise<string> {
  const file = path.join(dir, 'cube.blend');
  const args = ['--background', '--factory-startup', '-noaudio', '--python-exit-code', '1'];
  succeeded(await runCommand('blender', [...args, '--python', script, '--', file]));
  return file;
}

/** A scene whose own script, if it may run, writes `proof`. */
export async function makeSceneWithScript(dir: string, proof: string): Promise<string> {
  const file = path.join(dir, 'scripted.blend');
  const code = `
import bpy, sys
scene_file, proof = sys.argv[-2:]
text = bpy.data.texts.new("auto.py")
text.write("open(%r, 'w').write('ran')" % proof)
text.use_module = True
bpy.context.scene.render.engine = "CYCLES"
bpy.context.scene.cycles.samples = 1
bpy.context.scene.cycles.use_denoising = False
bpy.ops.wm.save_as_mainfile(filepath=scene_file)
`;
  const args = ['--background', '--factory-startup', '-noaudio', '--python-exit-code', '1'];
  succeeded(await runCommand('blender', [...args, '--python-expr', code, '--', file, proof]));
  await rm(proof, { force: true });
  return file;
}
