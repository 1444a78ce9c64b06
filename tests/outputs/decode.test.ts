import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findProgram } from '../../scripts/run-command.ts';
import { checkPixels } from '../../worker-agent/outputs/decode/decode-full.ts';
import { checkHeader } from '../../worker-agent/outputs/decode/decode-header.ts';
import { mediaForFile } from './support/media-files.ts';

const media = mediaForFile();
let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'karst-decode-'));
});
afterAll(async () => {
  await rm(dir, { recursive: true, force: true });
});

const ended = new AbortController().signal;
const here = { searchPath: process.env.PATH ?? '', ended };

/** What is said of a file with these bytes under this name. */
async function said(name: string, bytes: Uint8Array): Promise<string | undefined> {
  const file = path.join(dir, name);
  await writeFile(file, bytes);
  return await checkHeader(file);
}
const bytesOf = (name: string) => readFile(path.join(media(), name));

const formats = [
  ...['a.png', 'a.jpg', 'a.exr', 'a.tif', 'a.webp', 'a.mp4', 'a.mov'],
  ...['none.exr', 'zip.exr', 'piz.exr', 'dwaa.exr', 'tiles.exr', 'mipmap.exr', 'parts.exr'],
  ...['float.tif', 'tiles.tif'],
];

describe('by header', () => {
  it.each(formats)('%s is whole as ffmpeg wrote it', async (name) => {
    expect(await said(name, await bytesOf(name))).toBeUndefined();
  });

  it.each(formats)('%s is truncated wherever it is cut', async (name) => {
    const bytes = await bytesOf(name);
    for (const part of [0.3, 0.6, 0.9]) {
      const cut = bytes.subarray(0, Math.floor(bytes.length * part));
      expect(await said(name, cut), `${name} cut at ${part}`).toMatch(/^is truncated: ends /);
    }
    expect(await said(name, bytes.subarray(0, -1))).toMatch(/^is truncated: ends /);
  });

  it.each(formats)('%s that is something else says what it begins with', async (name) => {
    const words = await said(name, Buffer.from('<html>not found</html>'));
    expect(words).toMatch(/^is no .*: it begins with "<html>no"$/);
  });

  it('names the chunk of a PNG that is cut or garbled', async () => {
    const png = await bytesOf('a.png');
    expect(await said('cut.png', png.subarray(0, png.length - 40))).toBe(
      'is truncated: ends within chunk IDAT',
    );
    expect(await said('cut.png', png.subarray(0, png.length - 12))).toBe(
      'is truncated: ends before its last chunk, IEND',
    );
    const garbled = Buffer.from(png);
    garbled[png.length >> 1] = (garbled[png.length >> 1] ?? 0) ^ 1;
    expect(await said('bad.png', garbled)).toMatch(
      /^is garbled: chunk IDAT at byte \d+ has another checksum than it says$/,
    );
    const whole = { from: png.indexOf('IDAT') - 4, to: png.indexOf('IEND') - 4 };
    const empty = Buffer.concat([png.subarray(0, whole.from), png.subarray(whole.to)]);
    expect(await said('empty.png', empty)).toBe('is a PNG without pixels (no chunk IDAT)');
  });

  it('tells an EXR whose writer was killed: pieces of its table are missing', async () => {
    const exr = Buffer.from(await bytesOf('a.exr'));
    // Behind the headers: the empty name that ends them, then one offset for each block of lines.
    const first = exr.readUInt32LE(headerEnd(exr));
    expect(first).toBeGreaterThan(headerEnd(exr));
    exr.writeBigUInt64LE(0n, headerEnd(exr) + 8);
    expect(await said('dead.exr', exr)).toMatch(
      /^was not written to its end: 1 of \d+ pieces are missing$/,
    );
  });

  it('tells a film without its index', async () => {
    const mp4 = await bytesOf('a.mp4');
    const moov = mp4.indexOf('moov') - 4;
    expect(await said('a.mp4', mp4.subarray(0, moov))).toBe(
      'was not written to its end: it has no box moov, its index',
    );
  });

  it('looks through safetensors to the last byte', async () => {
    const file = (tensors: object, data: number) => {
      const header = Buffer.from(JSON.stringify(tensors));
      const length = Buffer.alloc(8);
      length.writeBigUInt64LE(BigInt(header.length));
      return Buffer.concat([length, header, Buffer.alloc(data)]);
    };
    const at = (...data_offsets: number[]) => ({ dtype: 'F32', shape: [2], data_offsets });
    const good = { __metadata__: { format: 'pt' }, b: at(8, 16), a: at(0, 8) };
    expect(await said('m.safetensors', file(good, 16))).toBeUndefined();
    expect(await said('m.safetensors', file(good, 15))).toBe(
      'is truncated: ends within tensor "b"',
    );
    expect(await said('m.safetensors', file(good, 20))).toBe(
      'is garbled: 4 bytes follow its last tensor',
    );
    expect(await said('m.safetensors', file({ a: at(0, 8), b: at(9, 16) }, 16))).toBe(
      'is garbled: tensor "b" has bytes 9 to 16, not from 8 on',
    );
    expect(await said('m.safetensors', file(good, 16).subarray(0, 20))).toBe(
      'is truncated: ends within its header',
    );
    expect(await said('m.safetensors', file(good, 0).fill('{', 8))).toBe(
      'is garbled: its header is no JSON with data_offsets',
    );
  });

  it('finds the list of files at the end of a zip, and takes an old PyTorch pickle', async () => {
    // One empty list; what a zip without files is.
    const empty = Buffer.concat([Buffer.from('PK\x05\x06', 'latin1'), Buffer.alloc(18)]);
    expect(await said('a.zip', empty)).toBeUndefined();
    expect(await said('a.npz', Buffer.from('PK\x03\x04 and no more', 'latin1'))).toBe(
      'is truncated: ends before its list of files',
    );
    const elsewhere = Buffer.from(empty);
    elsewhere.writeUInt32LE(46, 12);
    expect(await said('a.zip', elsewhere)).toMatch(/^is garbled: the list of its files/);
    expect(await said('a.pt', Buffer.from([0x80, 0x02, 0x8a]))).toBeUndefined();
  });

  it('knows nothing of other files', async () => {
    expect(await said('notes.txt', Buffer.from('anything'))).toBeUndefined();
  });
});

describe('in full', () => {
  it.each(formats)('%s decodes', async (name) => {
    expect(await checkPixels(path.join(media(), name), here)).toBeUndefined();
  });

  it('finds garbled pixels in a film whose boxes are whole', async () => {
    const mp4 = Buffer.from(await bytesOf('a.mp4'));
    const pixels = mp4.indexOf('mdat') + 4;
    mp4.fill(0x55, pixels + 1000, pixels + 1100);
    const file = path.join(dir, 'bad.mp4');
    await writeFile(file, mp4);
    expect(await checkHeader(file)).toBeUndefined();
    const words = await checkPixels(file, here);
    expect(words).toMatch(/^can't be decoded: /);
    expect(words).not.toContain('0x');
  });

  it('finds garbled pixels in an EXR whose table is whole', async () => {
    const exr = Buffer.from(await bytesOf('zip.exr'));
    exr.fill(0x55, exr.length - 200, exr.length - 150);
    const file = path.join(dir, 'bad %d #.exr');
    await writeFile(file, exr);
    expect(await checkHeader(file)).toBeUndefined();
    expect(await checkPixels(file, here)).toMatch(/^can't be decoded: /);
    expect(await checkPixels(file, await onlyFfmpeg())).toMatch(/^can't be decoded: /);
  });

  it('of a TIFF that ffmpeg does not know says nothing against the file', async () => {
    const file = path.join(media(), 'float.tif');
    expect(await checkPixels(file, here)).toBeUndefined();
    await expect(checkPixels(file, await onlyFfmpeg())).rejects.toThrow(/oiiotool would read more/);
  });

  it('ends with the lease', async () => {
    const gone = new AbortController();
    const decoding = checkPixels(path.join(media(), 'a.mp4'), { ...here, ended: gone.signal });
    gone.abort();
    await expect(decoding).rejects.toThrow(/abort/i);
  });

  it('is the node’s matter where there is no ffmpeg', async () => {
    const file = path.join(media(), 'a.png');
    const nowhere = { searchPath: '/nonexistent', ended };
    await expect(checkPixels(file, nowhere)).rejects.toThrow(/no ffmpeg/);
    expect(await checkPixels(path.join(dir, 'a.safetensors'), nowhere)).toBe(undefined);
  });
});

/** A node with ffmpeg and no oiiotool. */
async function onlyFfmpeg() {
  const tools = path.join(dir, 'tools');
  const ffmpeg = findProgram('ffmpeg', process.env) ?? '';
  await mkdir(tools, { recursive: true });
  await symlink(ffmpeg, path.join(tools, 'ffmpeg')).catch(() => undefined);
  return { searchPath: tools, ended };
}

/** Where the table of an EXR with one part begins. */
function headerEnd(exr: Buffer): number {
  let at = 8;
  while (exr[at] !== 0) {
    at = exr.indexOf(0, exr.indexOf(0, at) + 1) + 1;
    at += 4 + exr.readUInt32LE(at);
  }
  return at + 1;
}
