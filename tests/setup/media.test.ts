import { copyFile, mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { inspectFrames } from '../../scripts/media.ts';
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
