import { copyFile, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { assembleContactSheet, assembleFilm, inspectFrames } from '../../scripts/media.ts';
import { runCommand } from '../../scripts/run-command.ts';
import { ensureSystemPackages } from '../../scripts/system-packages.ts';

let dir: string;

async function picture(name: string, color: string, size = '33x21'): Promise<string> {
  const file = path.join(dir, name);
  const source = `color=${color}:size=${size},format=rgb24`;
  const args = ['-v', 'error', '-f', 'lavfi', '-i', source, '-frames:v', '1', `file:${file}`];
  const made = await runCommand('ffmpeg', args);
  if (made.code !== 0) throw new Error(made.stderr);
  return file;
}

beforeAll(async () => {
  await ensureSystemPackages(['ffmpeg']);
  dir = await mkdtemp(path.join(tmpdir(), 'karst-media-'));
}, 600_000);

afterAll(async () => {
  await rm(dir, { recursive: true, force: true });
});

describe('inspectFrames', () => {
  it('tells size, brightness and the pixels of each picture, whatever its name', async () => {
    const black = await picture('black.png', 'black');
    const white = await picture('white.png', 'white');
    const odd = path.join(dir, '-a:b %d "c".png');
    await copyFile(black, odd);
    const facts = await inspectFrames([black, white, odd]);
    expect(facts.map(({ path: file }) => file)).toEqual([black, white, odd]);
    expect(facts[0]).toMatchObject({ width: 33, height: 21, meanLuma: 0 });
    expect(facts[1]?.meanLuma).toBeGreaterThan(250);
    expect(facts[2]?.md5).toBe(facts[0]?.md5);
    expect(facts[1]?.md5).not.toBe(facts[0]?.md5);
  });

  it('refuses a cut-off picture, a text and a file that is not there', async () => {
    const cut = await picture('cut.png', 'red', '320x180');
    await truncate(cut, 200);
    await expect(inspectFrames([cut])).rejects.toThrow(/cut\.png/);
    const words = path.join(dir, 'words.png');
    await writeFile(words, 'not a picture');
    await expect(inspectFrames([words])).rejects.toThrow(/words\.png/);
    await expect(inspectFrames([path.join(dir, 'no.png')])).rejects.toThrow(/no such file/);
  });
});

describe('assembleFilm', () => {
  it('makes a film of every frame, with its index before its pictures', async () => {
    const frames = [];
    for (const color of ['red', 'green', 'blue']) frames.push(await picture(`${color}.png`, color));
    const out = path.join(dir, 'film.mp4');
    await assembleFilm({ frames, fps: 12, out });
    const fields = 'stream=codec_name,pix_fmt,width,height,nb_frames,r_frame_rate';
    const probed = await runCommand('ffprobe', [
      ...['-v', 'error', '-show_entries', fields, '-of', 'default=nw=1', out],
    ]);
    expect(probed.stdout.toString().trim().split('\n')).toEqual([
      'codec_name=h264',
      'width=34',
      'height=22',
      'pix_fmt=yuv420p',
      'r_frame_rate=12/1',
      'nb_frames=3',
    ]);
    const bytes = await readFile(out);
    expect(bytes.indexOf('moov')).toBeLessThan(bytes.indexOf('mdat'));
  });

  it('refuses no frames and a frame rate of nothing', async () => {
    const out = path.join(dir, 'none.mp4');
    await expect(assembleFilm({ frames: [], fps: 12, out })).rejects.toThrow('no frames');
    await expect(assembleFilm({ frames: ['a.png'], fps: 0, out })).rejects.toThrow('frame rate');
  });
});

describe('assembleContactSheet', () => {
  it('lays the frames out in rows', async () => {
    const frames = [];
    for (const color of ['red', 'green', 'blue'])
      frames.push(await picture(`${color}2.png`, color));
    const out = path.join(dir, 'sheet.png');
    await assembleContactSheet({ frames, columns: 2, out });
    const [sheet] = await inspectFrames([out]);
    expect(sheet).toMatchObject({ width: 2 * 33 + 3 * 4, height: 2 * 21 + 3 * 4 });
  });
});
