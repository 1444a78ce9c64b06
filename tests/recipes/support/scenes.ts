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
