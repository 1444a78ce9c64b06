import type { FileHandle } from 'node:fs/promises';

const MAGIC = 0x01312f76;
const MULTIPART = 0x1000;
const DEEP = 0x800;
const TILED = 0x200;
const HEADER_BYTES_MAX = 1024 * 1024;
const CHUNKS_MAX = 4_000_000;

/**
 * Why an OpenEXR file is not whole, by its table of offsets: decoders draw what is there and say nothing.
 * Undefined where nothing is known to lack. The table of all parts ends where the first chunk begins.
 */
export async function exrShortfall(
  file: FileHandle,
  sizeBytes: number,
): Promise<string | undefined> {
  const head = Buffer.alloc(Math.min(HEADER_BYTES_MAX, sizeBytes));
  await file.read(head, 0, head.length, 0);
  if (head.length < 8 || head.readUInt32LE(0) !== MAGIC) return 'is no OpenEXR file';
  const flags = head.readUInt32LE(4);
  const tableAt = headerEnd(head, (flags & MULTIPART) !== 0);
  if (tableAt === undefined) {
    return head.length < HEADER_BYTES_MAX ? 'is cut off within its header' : undefined;
  }
  return await tableShortfall(file, { sizeBytes, tableAt, flags });
}

/** Where the offsets begin; undefined: the header does not end in `head`. */
function headerEnd(head: Buffer, multipart: boolean): number | undefined {
  let at = 8;
  for (;;) {
    while (head[at] !== 0) {
      const nameEnd = head.indexOf(0, at);
      const typeEnd = nameEnd < 0 ? -1 : head.indexOf(0, nameEnd + 1);
      if (typeEnd < 0 || typeEnd + 5 > head.length) return undefined;
      at = typeEnd + 5 + head.readUInt32LE(typeEnd + 1);
      if (at >= head.length) return undefined;
    }
    at += 1;
    if (!multipart) return at;
    if (at >= head.length) return undefined;
    if (head[at] === 0) return at + 1;
  }
}

async function tableShortfall(
  file: FileHandle,
  { sizeBytes, tableAt, flags }: { sizeBytes: number; tableAt: number; flags: number },
): Promise<string | undefined> {
  const entry = Buffer.alloc(64 * 1024);
  let [first, last] = [Number.POSITIVE_INFINITY, 0];
  for (let at = tableAt, count = 0; at < first && count < CHUNKS_MAX; ) {
    const { bytesRead } = await file.read(entry, 0, entry.length, at);
    if (bytesRead < 8) return 'is cut off within its table of offsets';
    for (let i = 0; i + 8 <= bytesRead && at < first; i += 8, at += 8, count++) {
      const offset = Number(entry.readBigUInt64LE(i));
      if (offset < tableAt) return 'was not written to its end: its table of offsets has gaps';
      first = Math.min(first, offset);
      last = Math.max(last, offset);
    }
  }
  if (last >= sizeBytes) return 'is cut off: parts of its pixels lie behind its end';
  // The last chunk: where it is, how long it is, its bytes.
  if ((flags & DEEP) !== 0) return undefined;
  const place = ((flags & MULTIPART) !== 0 ? 4 : 0) + ((flags & TILED) !== 0 ? 16 : 4);
  if ((flags & MULTIPART) !== 0) return undefined;
  const head = Buffer.alloc(place + 4);
  const { bytesRead } = await file.read(head, 0, head.length, last);
  const end = last + head.length + (bytesRead < head.length ? 1 : head.readUInt32LE(place));
  return end > sizeBytes ? 'is cut off within its pixels' : undefined;
}
