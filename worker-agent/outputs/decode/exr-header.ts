import { type FileBytes, truncated } from './file-bytes.ts';

/** One picture of a file. */
export interface ExrPart {
  /** Pieces its pixels come in: blocks of lines, or tiles. */
  chunks: number;
  tiled: boolean;
  deep: boolean;
}

interface Attributes {
  compression?: number;
  lines?: number;
  columns?: number;
  tile?: { columns: number; rows: number; levels: number; up: boolean };
  chunkCount?: number;
  type?: string;
}

const headersBytesMax = 16 * 1024 * 1024;
const partsMax = 1024;
const chunksMax = 4_000_000;
/** Lines in a block, by the number of the compression. */
const blockLines = [1, 1, 1, 16, 32, 16, 32, 32, 32, 256];

/** The headers of a file's parts and where they end, or what is wrong. */
export async function readExrHeaders(
  bytes: FileBytes,
  layout: { multipart: boolean; tiled: boolean },
): Promise<{ parts: ExrPart[]; end: number } | string> {
  const cut = truncated('within its header');
  const data = await bytes.at(0, headersBytesMax);
  const parts: ExrPart[] = [];
  let at = 8;
  for (;;) {
    const attributes: Attributes = {};
    while (data[at] !== 0) {
      const name = textAt(data, at);
      const type = name && textAt(data, name.end);
      if (!name || !type || type.end + 4 > data.length) return cut;
      const size = data.readUInt32LE(type.end);
      at = type.end + 4 + size;
      if (at > data.length) return cut;
      note(attributes, name.text, data.subarray(type.end + 4, at));
    }
    at++;
    const part = partOf(attributes, layout);
    if (part === undefined) return 'is garbled: its header lacks what tells the size of its pixels';
    parts.push(part);
    if (!layout.multipart) break;
    if (at >= data.length || parts.length > partsMax) return cut;
    // An empty header ends the list.
    if (data[at] === 0) {
      at++;
      break;
    }
  }
  return { parts, end: at };
}

/** Text up to a NUL, and where what follows it begins. */
function textAt(data: Buffer, at: number): { text: string; end: number } | undefined {
  const end = data.indexOf(0, at);
  return end === -1 || end - at > 255
    ? undefined
    : { text: data.toString('latin1', at, end), end: end + 1 };
}

function note(attributes: Attributes, name: string, value: Buffer): void {
  if (name === 'compression' && value.length === 1) attributes.compression = value[0] ?? 0;
  if (name === 'dataWindow' && value.length === 16) {
    attributes.columns = value.readInt32LE(8) - value.readInt32LE(0) + 1;
    attributes.lines = value.readInt32LE(12) - value.readInt32LE(4) + 1;
  }
  if (name === 'tiles' && value.length === 9) {
    const mode = value[8] ?? 0;
    const [columns, rows] = [value.readUInt32LE(0), value.readUInt32LE(4)];
    attributes.tile = { columns, rows, levels: mode & 15, up: mode >> 4 === 1 };
  }
  if (name === 'chunkCount' && value.length === 4) attributes.chunkCount = value.readInt32LE(0);
  if (name === 'type') attributes.type = value.toString('latin1');
}

function partOf(
  { compression = -1, lines = 0, columns = 0, tile, chunkCount, type }: Attributes,
  layout: { tiled: boolean },
): ExrPart | undefined {
  const deep = type?.startsWith('deep') ?? false;
  const tiled = type === undefined ? layout.tiled : type.endsWith('tile') || type === 'tiledimage';
  const block = blockLines[compression];
  const counted =
    chunkCount ??
    (tiled
      ? tile && tileCount(columns, lines, tile)
      : block === undefined
        ? undefined
        : Math.ceil(lines / block));
  if (counted === undefined || !(counted > 0 && counted <= chunksMax)) return undefined;
  return { chunks: counted, tiled, deep };
}

/** Of all levels: one, each half of the one before, or each half in each direction. */
function tileCount(
  columns: number,
  lines: number,
  tile: NonNullable<Attributes['tile']>,
): number | undefined {
  if (tile.columns < 1 || tile.rows < 1 || columns < 1 || lines < 1) return undefined;
  const sizes = (size: number, count: number) =>
    Array.from({ length: count }, (_, level) =>
      Math.max(1, tile.up ? Math.ceil(size / 2 ** level) : Math.floor(size / 2 ** level)),
    );
  const levelsOf = (size: number) =>
    (tile.up ? Math.ceil(Math.log2(size)) : Math.floor(Math.log2(size))) + 1;
  const across = (size: number) => Math.ceil(size / tile.columns);
  const down = (size: number) => Math.ceil(size / tile.rows);
  if (tile.levels === 0) return across(columns) * down(lines);
  if (tile.levels === 1) {
    const count = levelsOf(Math.max(columns, lines));
    const heights = sizes(lines, count);
    return sizes(columns, count).reduce((sum, w, i) => sum + across(w) * down(heights[i] ?? 1), 0);
  }
  const total = (counts: number[]) => counts.reduce((sum, count) => sum + count, 0);
  return (
    total(sizes(columns, levelsOf(columns)).map(across)) *
    total(sizes(lines, levelsOf(lines)).map(down))
  );
}
