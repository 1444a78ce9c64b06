import { begins, type Fault, type FileBytes, truncated } from './file-bytes.ts';

const picturesMax = 4096;
const entriesMax = 65_535;
const pixelTags = { 273: 279, 324: 325 } as const;

interface Layout {
  bytes: FileBytes;
  little: boolean;
  /** BigTIFF: offsets of 8 bytes. */
  big: boolean;
}

/** Every picture's directory, and each of its strips or tiles within the file. */
export async function checkTiff(bytes: FileBytes): Promise<Fault> {
  const head = await bytes.at(0, 16);
  const order = head.toString('latin1', 0, 2);
  const little = order === 'II';
  const version = head.length < 8 ? 0 : unsigned(head, 2, 2, little);
  if ((!little && order !== 'MM') || (version !== 42 && version !== 43)) {
    return `is no TIFF: ${begins(head)}`;
  }
  const layout = { bytes, little, big: version === 43 };
  if (layout.big && head.length < 16) return truncated('within its header');
  let at = layout.big ? unsigned(head, 8, 8, little) : unsigned(head, 4, 4, little);
  for (let picture = 0; at !== 0; picture++) {
    if (picture >= picturesMax) return `is garbled: more than ${picturesMax} pictures`;
    const next = await checkDirectory(layout, at, picture);
    if (typeof next === 'string') return next;
    at = next;
  }
  return undefined;
}

/** Answers where the next directory is, or what is wrong. */
async function checkDirectory(
  layout: Layout,
  at: number,
  picture: number,
): Promise<number | string> {
  const { bytes, little, big } = layout;
  const [countBytes, entryBytes, offsetBytes] = big ? [8, 20, 8] : [2, 12, 4];
  const cut = truncated(`before the directory of picture ${picture}`);
  const counted = await bytes.at(at, countBytes);
  if (counted.length < countBytes) return cut;
  const count = unsigned(counted, 0, countBytes, little);
  if (count > entriesMax) return `is garbled: the directory at byte ${at} has ${count} entries`;
  const length = count * entryBytes + offsetBytes;
  const directory = await bytes.at(at + countBytes, length);
  if (directory.length < length) return cut;
  const entry = (tag: number) => {
    for (let i = 0; i < count; i++) {
      if (unsigned(directory, i * entryBytes, 2, little) !== tag) continue;
      return directory.subarray(i * entryBytes, (i + 1) * entryBytes);
    }
    return undefined;
  };
  for (const [offsetsTag, countsTag] of Object.entries(pixelTags)) {
    const [offsets, counts] = [entry(Number(offsetsTag)), entry(countsTag)];
    if (offsets === undefined || counts === undefined) continue;
    const ends = await lastEnd(layout, offsets, counts);
    if (ends === undefined || ends > bytes.size) {
      return truncated(`within the pixels of picture ${picture}`);
    }
  }
  return unsigned(directory, count * entryBytes, offsetBytes, little);
}

/** Where the last of the strips or tiles ends; undefined when their lists are cut off. */
async function lastEnd(
  layout: Layout,
  offsets: Buffer,
  counts: Buffer,
): Promise<number | undefined> {
  const [starts, lengths] = [await valuesOf(layout, offsets), await valuesOf(layout, counts)];
  if (starts === undefined || lengths === undefined) return undefined;
  return starts.reduce((end, start, i) => Math.max(end, start + (lengths[i] ?? 0)), 0);
}

const typeBytes: Readonly<Record<number, number>> = { 3: 2, 4: 4, 13: 4, 16: 8, 18: 8 };
const valuesMax = 4_000_000;

async function valuesOf(
  { bytes, little, big }: Layout,
  entry: Buffer,
): Promise<number[] | undefined> {
  const each = typeBytes[unsigned(entry, 2, 2, little)] ?? 0;
  const word = big ? 8 : 4;
  const count = unsigned(entry, 4, word, little);
  if (each === 0 || count > valuesMax) return undefined;
  const inline = entry.subarray(4 + word);
  const length = each * count;
  const values =
    length <= word ? inline : await bytes.at(unsigned(inline, 0, word, little), length);
  if (values.length < length) return undefined;
  return Array.from({ length: count }, (_, i) => unsigned(values, i * each, each, little));
}

function unsigned(buffer: Buffer, at: number, bytes: number, little: boolean): number {
  if (bytes === 8) {
    return Number(little ? buffer.readBigUInt64LE(at) : buffer.readBigUInt64BE(at));
  }
  return little ? buffer.readUIntLE(at, bytes) : buffer.readUIntBE(at, bytes);
}
