import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { runCommand } from '../../../scripts/run-command.ts';
import { ensureSystemPackages } from '../../../scripts/system-packages.ts';

/** OpenEXR of each kind, and TIFF that ffmpeg does not know. */
const ofOiio: Record<string, string[]> = {
  'none.exr': ['-d', 'half', '--compression', 'none'],
  'zip.exr': ['-d', 'half', '--compression', 'zip'],
  'piz.exr': ['-d', 'float', '--compression', 'piz'],
  'dwaa.exr': ['-d', 'half', '--compression', 'dwaa'],
  'tiles.exr': ['-d', 'half', '--tile', '32', '32'],
  'parts.exr': ['-d', 'half', '--dup', '--siappend'],
  'float.tif': ['-d', 'float'],
  'tiles.tif': ['-d', 'uint16', '--tile', '32', '32'],
};

/** A folder with small pictures of each format and two films, made for a test file. */
export function mediaForFile(): () => string {
  let dir = '';
  beforeAll(async () => {
    await ensureSystemPackages(['ffmpeg', 'oiiotool']);
    dir = await mkdtemp(path.join(tmpdir(), 'karst-media-'));
    const source = ['-f', 'lavfi', '-i', 'testsrc=size=160x90:duration=0.5'];
    const pictures = ['a.png', 'a.jpg', 'a.exr', 'a.tif', 'a.webp'];
    const one = ['-frames:v', '1', '-update', '1'];
    const noise = ['--pattern', 'noise:seed=7', '161x91', '3'];
    const made = Object.entries(ofOiio).map(([name, how]) =>
      run('oiiotool', [...noise, ...how, '-o', path.join(dir, name)]),
    );
    const mipmap = ['-d', 'half', '--tile', '32', '32', '-otex', path.join(dir, 'mipmap.exr')];
    await Promise.all([
      ...made,
      run('oiiotool', [...noise, ...mipmap]),
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

const ffmpeg = (args: string[]) => run('ffmpeg', ['-nostdin', '-v', 'error', ...args]);

async function run(program: string, args: string[]): Promise<void> {
  const made = await runCommand(program, args);
  if (made.code !== 0) throw new Error(`${program} ${args.join(' ')}: ${made.stderr}`);
}
