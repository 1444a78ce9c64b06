import { begins, type Fault, type FileBytes, truncated } from './file-bytes.ts';

const boxesMax = 1_000_000;

/** mp4 and mov: every box whole, the index (moov) and the pictures (mdat) among them. */
export async function checkMovie(bytes: FileBytes): Promise<Fault> {
  const seen = new Set<string>();
  let at = 0;
  for (let box = 0; at < bytes.size; box++) {
    if (box >= boxesMax) return `is garbled: more than ${boxesMax} boxes`;
    const head = await bytes.at(at, 16);
    if (head.length < 8) return truncated(`within the box at byte ${at}`);
    const type = head.toString('latin1', 4, 8);
    if (!/^[\x20-\x7e\xa9]{4}$/.test(type)) {
      return at === 0
        ? `is no mp4 or mov: ${begins(head)}`
        : `is garbled: it has no box at byte ${at}`;
    }
    const size = head.readUInt32BE(0);
    const header = size === 1 ? 16 : 8;
    if (head.length < header) return truncated(`within box ${type}`);
    const length =
      size === 0 ? bytes.size - at : size === 1 ? Number(head.readBigUInt64BE(8)) : size;
    if (length < header) return `is garbled: box ${type} at byte ${at} says it has ${length} bytes`;
    if (at === 0 && !['ftyp', 'moov', 'mdat', 'wide', 'free', 'skip'].includes(type)) {
      return `is no mp4 or mov: ${begins(head)}`;
    }
    at += length;
    if (at > bytes.size) return truncated(`within box ${type}`);
    seen.add(type);
  }
  if (!seen.has('moov')) return 'was not written to its end: it has no box moov, its index';
  if (!seen.has('mdat')) return 'is a film without pictures: it has no box mdat';
  return undefined;
}
