import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { runCommand } from '../../../scripts/run-command.ts';
import { ensureSystemPackages } from '../../../scripts/system-packages.ts';

/** A folder with a small picture of each format and two films, made by ffmpeg for a test file. */
export function mediaForFile(): () => string {
  let dir = '';
  beforeAll(async () => {
    await ensureSystemPackages(['ffmpeg']);
    dir = await mkdtemp(path.join(tmpdir(), 'karst-media-'));
    const source = ['-f', 'lavfi', '-i', 'testsrc=size=160x90:duration=0.5'];
    const pictures = ['a.png', 'a.jpg', 'a.exr', 'a.tif', 'a.webp'];
    const one = ['-frames:v', '1', '-update', '1'];
    await Promise.all([
      ...pictures.map((name) => ffmpeg([...source, ...one, path.join(dir, name)])),
      ffmpeg([...source, path.join(dir, 'a.mp4')]),
      ffmpeg([...source, path.join(dir, 'a.mov')]),
    ]);
  }, 600_000);
  afterAll(async () => {
    await rm(dir, { recursive: true, force: true });
  });
  return () => dir;
}

async function ffmpeg(args: string[]): Promise<void> {
  const made = await runCommand('ffmpeg', ['-nostdin', '-v', 'error', ...args]);
  if (made.code !== 0) throw new Error(made.stderr);
}
