import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { decodePicture, THUMBNAIL } from '@karst/orchestrator/previews/decode-picture.ts';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { runCommand } from '../../scripts/run-command.ts';
import { ensureSystemPackages } from '../../scripts/system-packages.ts';
import { mediaForFile } from '../outputs/support/media-files.ts';
import { cutOff, makePlain, probed } from '../scenarios/support/frames.ts';

const media = mediaForFile();
let dir = '';
beforeAll(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'karst-decode-'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

const settings = {
  searchPath: process.env.PATH ?? '',
  timeoutMs: 30_000,
  pixelsMax: 1_000_000,
  bytesMax: 2 ** 30,
  hasOiiotool: false,
};
const decode = (name: string, more: Partial<typeof settings> = {}) =>
  decodePicture(path.join(dir, name), { ...settings, ...more });

it.each(['png', 'jpg', 'tif', 'exr'])('looks at a %s and makes it smaller', async (extension) => {
  await copyFile(`${media()}/a.${extension}`, path.join(dir, `good.${extension}`));
  expect(await decode(`good.${extension}`)).toEqual({ width: 160, height: 90, hasPreview: true });
  expect(await probed(path.join(dir, THUMBNAIL))).toMatchObject({ width: '160', height: '90' });
});

it('tone maps an EXR brighter than white with oiiotool, and cuts its lights without', async () => {
  await ensureSystemPackages(['oiiotool']);
  const file = path.join(dir, 'bright.exr');
  // From black on the left to 4 times white on the right.
  const filter = 'gradients=size=128x16:c0=black:c1=white:x0=0:y0=8:x1=127:y1=8,format=gbrpf32le';
  const args = ['-v', 'error', '-f', 'lavfi', '-i', filter, '-frames:v', '1', '-update', '1', file];
  expect((await runCommand('ffmpeg', args)).code).toBe(0);
  const brighter = await runCommand('oiiotool', [file, '--mulc', '4', '-o', file]);
  expect(brighter.code).toBe(0);
  const levels = async (hasOiiotool: boolean) => {
    expect(await decode('bright.exr', { hasOiiotool })).toMatchObject({ hasPreview: true });
    const gray = ['-v', 'error', '-i', path.join(dir, THUMBNAIL), '-pix_fmt', 'gray'];
    const raw = await runCommand('ffmpeg', [...gray, '-f', 'rawvideo', 'pipe:1']);
    return [48, 80, 120].map((x) => raw.stdout[8 * 128 + x] ?? 0);
  };
  const [cut, mapped] = [await levels(false), await levels(true)];
  expect(Math.min(...cut)).toBeGreaterThan(245);
  expect(mapped).toEqual([...mapped].sort((a, b) => a - b));
  expect(mapped[2]).toBeGreaterThan((mapped[0] ?? 0) + 20);
});

it.each(['png', 'jpg', 'tif', 'exr'])('finds a %s cut off, wherever it is', async (extension) => {
  const [name, empty] = [`cut.${extension}`, `empty.${extension}`];
  await cutOff(`${media()}/a.${extension}`, path.join(dir, name));
  await writeFile(path.join(dir, empty), '');
  for (const facts of [await decode(name), await decode(empty)]) {
    expect(facts).toMatchObject({ hasPreview: false, problem: { reason: 'undecodable' } });
    expect(facts.problem?.detail).not.toContain(dir);
  }
});

it.each(['png', 'jpg', 'tif', 'exr'])('finds a black and an even %s', async (extension) => {
  await makePlain(path.join(dir, `black.${extension}`), 'black');
  await makePlain(path.join(dir, `even.${extension}`), '0x336699');
  expect((await decode(`black.${extension}`)).problem?.reason).toBe('black');
  expect((await decode(`even.${extension}`)).problem?.reason).toBe('uniform');
});

it('a black picture whose alpha shows something is not black', async () => {
  const file = path.join(dir, 'matte.png');
  const filter = 'color=black:size=64x64,format=rgba,geq=r=0:g=0:b=0:a=X*4';
  const args = ['-v', 'error', '-f', 'lavfi', '-i', filter, '-frames:v', '1', file];
  expect((await runCommand('ffmpeg', args)).code).toBe(0);
  expect((await decode('matte.png')).problem).toBeUndefined();
});

it('one bright point keeps a picture from being black', async () => {
  const file = path.join(dir, 'star.png');
  const filter = 'color=black:size=640x360,format=rgb24,drawbox=300:200:1:1:white';
  const args = ['-v', 'error', '-f', 'lavfi', '-i', filter, '-frames:v', '1', file];
  expect((await runCommand('ffmpeg', args)).code).toBe(0);
  expect((await decode('star.png')).problem).toBeUndefined();
});

it('leaves alone what is larger than allowed, and reads nothing that a name or a file points to', async () => {
  await copyFile(`${media()}/a.png`, path.join(dir, 'large.png'));
  expect(await decode('large.png', { pixelsMax: 1000 })).toEqual({
    hasPreview: false,
    note: 'more than 1000 pixels',
  });
  const list = `#EXTM3U\n#EXTINF:1,\nfile://${media()}/a.mp4\n`;
  await writeFile(path.join(dir, 'list.png'), list);
  expect((await decode('list.png')).problem?.reason).toBe('undecodable');
});

it('a decoder that takes too long is ended', async () => {
  await copyFile(`${media()}/a.png`, path.join(dir, 'slow.png'));
  const facts = await decode('slow.png', { timeoutMs: 1 });
  expect(facts.problem).toMatchObject({ reason: 'undecodable' });
  expect(await readFile(path.join(dir, 'slow.png'))).toBeTruthy();
});
