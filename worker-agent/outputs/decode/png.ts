import { crc32 } from 'node:zlib';
import { begins, type Fault, type FileBytes, truncated } from './file-bytes.ts';

const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

/** Every chunk up to IEND, each with its checksum. */
export async function checkPng(bytes: FileBytes): Promise<Fault> {
  const head = await bytes.at(0, 8);
  if (!head.equals(signature)) return `is no PNG: ${begins(head)}`;
  let hasPixels = false;
  for (let at = 8; ; ) {
    const chunk = await bytes.at(at, 8);
    if (chunk.length < 8) return truncated('before its last chunk, IEND');
    const length = chunk.readUInt32BE(0);
    const name = chunk.toString('latin1', 4, 8);
    if (!/^[A-Za-z]{4}$/.test(name)) return `is garbled: it has no chunk at byte ${at}`;
    if (at === 8 && name !== 'IHDR') return `is garbled: it begins with a chunk ${name}`;
    const end = at + 8 + length;
    if (end + 4 > bytes.size) return truncated(`within chunk ${name}`);
    let sum = crc32(chunk.subarray(4));
    for await (const piece of bytes.pieces(at + 8, end)) sum = crc32(piece, sum);
    if (sum !== (await bytes.at(end, 4)).readUInt32BE(0)) {
      return `is garbled: chunk ${name} at byte ${at} has another checksum than it says`;
    }
    hasPixels ||= name === 'IDAT';
    if (name === 'IEND') return hasPixels ? undefined : 'is a PNG without pixels (no chunk IDAT)';
    at = end + 4;
  }
}
