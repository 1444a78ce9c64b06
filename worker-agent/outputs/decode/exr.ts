import { type ExrPart, readExrHeaders } from './exr-header.ts';
import { begins, type Fault, type FileBytes, truncated } from './file-bytes.ts';

/**
 * OpenEXR: the headers, and the table that says where each piece of the pixels is. A writer fills the
 * table in as it goes, so a picture that was not finished has pieces at 0; the last piece must end
 * within the file.
 */
export async function checkExr(bytes: FileBytes): Promise<Fault> {
  const head = await bytes.at(0, 8);
  if (head.length < 8 || head.readUInt32LE(0) !== 0x01312f76) return `is no EXR: ${begins(head)}`;
  const flags = head.readUInt32LE(4);
  const layout = { multipart: (flags & 0x1000) !== 0, tiled: (flags & 0x200) !== 0 };
  const headers = await readExrHeaders(bytes, layout);
  if (typeof headers === 'string') return headers;
  let at = headers.end;
  for (const [i, part] of headers.parts.entries()) {
    const name = headers.parts.length === 1 ? '' : ` of part ${i}`;
    const table = await bytes.at(at, part.chunks * 8);
    if (table.length < part.chunks * 8) return truncated(`within the table of pieces${name}`);
    at += table.length;
    const fault = await checkPieces(bytes, table, part, layout.multipart, name);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

async function checkPieces(
  bytes: FileBytes,
  table: Buffer,
  { chunks, tiled, deep }: ExrPart,
  multipart: boolean,
  name: string,
): Promise<Fault> {
  let last = 0;
  let missing = 0;
  for (let i = 0; i < chunks; i++) {
    const at = Number(table.readBigUInt64LE(i * 8));
    if (at === 0) missing++;
    last = Math.max(last, at);
  }
  if (missing > 0) {
    return `was not written to its end: ${missing} of ${chunks} pieces${name} are missing`;
  }
  // A part's number, then the place, then the size of what follows.
  const place = (multipart ? 4 : 0) + (tiled ? 16 : 4);
  const sizes = deep ? 24 : 4;
  const head = await bytes.at(last, place + sizes);
  if (head.length < place + sizes) return truncated(`before its last piece${name}`);
  const length = deep
    ? Number(head.readBigUInt64LE(place)) + Number(head.readBigUInt64LE(place + 8))
    : head.readUInt32LE(place);
  return last + place + sizes + length > bytes.size
    ? truncated(`within its last piece${name}`)
    : undefined;
}
