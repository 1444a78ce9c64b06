import { begins, type Fault, type FileBytes, truncated } from './file-bytes.ts';

const startOfScan = 0xda;
const endOfImage = 0xd9;

/** Markers without a length: restarts, start of image, and one that is reserved. */
const isBare = (marker: number) => (marker >= 0xd0 && marker <= 0xd8) || marker === 0x01;

/** Every segment from start to end of image, scans read through. */
export async function checkJpeg(bytes: FileBytes): Promise<Fault> {
  const head = await bytes.at(0, 8);
  if (head[0] !== 0xff || head[1] !== 0xd8) return `is no JPEG: ${begins(head)}`;
  let hasPixels = false;
  for (let at = 2; ; ) {
    const segment = await bytes.at(at, 4);
    if (segment.length < 2) return truncated('before its end of image');
    const marker = segment[1] ?? 0;
    if (segment[0] !== 0xff) return `is garbled: it has no segment at byte ${at}`;
    if (marker === 0xff) at += 1;
    else if (marker === endOfImage) {
      return hasPixels ? undefined : 'is a JPEG without pixels (no scan)';
    } else if (isBare(marker)) at += 2;
    else {
      if (segment.length < 4) return truncated('within a segment');
      at += 2 + segment.readUInt16BE(2);
      if (at > bytes.size) return truncated('within a segment');
      if (marker !== startOfScan) continue;
      hasPixels = true;
      at = await endOfScan(bytes, at);
      if (at < 0) return truncated('within its pixels');
    }
  }
}

/** Where the next segment begins; -1: nowhere. */
async function endOfScan(bytes: FileBytes, from: number): Promise<number> {
  let at = from;
  let wasFill = false;
  for await (const piece of bytes.pieces(from)) {
    for (let i = 0; i < piece.length; i++) {
      if (!wasFill) {
        i = piece.indexOf(0xff, i);
        if (i === -1) break;
        wasFill = true;
        continue;
      }
      const byte = piece[i] ?? 0;
      if (byte === 0xff) continue;
      if (byte !== 0 && !isBare(byte)) return at + i - 1;
      wasFill = false;
    }
    at += piece.length;
  }
  return -1;
}
