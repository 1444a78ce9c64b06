import path from 'node:path';
import { drawText, TEXT_HEIGHT, textWidth } from './glyphs.ts';
import { ffmpegArgs, runDecoder } from './run-decoder.ts';

export interface SheetCell {
  label: string;
  /** Else a cross stands for it. */
  hasPicture: boolean;
  /** Framed in red. */
  isSuspicious: boolean;
}

export interface SheetSettings {
  searchPath: string;
  timeoutMs: number;
  /** Of each picture, pixels; smaller ones stand in the middle. */
  cell: { width: number; height: number };
}

const GAP = 8;
const BAND = 16;
const COLUMNS_MAX = 12;

type Color = readonly [number, number, number];
const BACKGROUND: Color = [16, 20, 24];
const EMPTY: Color = [34, 40, 46];
const TEXT: Color = [200, 208, 214];
const ALARM: Color = [226, 62, 52];

/** Columns for which the sheet is about as wide as a screen, its last row as full as can be. */
function columnsFor(count: number, { width, height }: SheetSettings['cell']): number {
  const ideal = Math.sqrt((count * (height + BAND + GAP) * 1.6) / (width + GAP));
  const middle = Math.max(1, Math.min(count, COLUMNS_MAX, Math.round(ideal)));
  const empty = (columns: number) => (columns - (count % columns)) % columns;
  return [middle, middle + 1, middle - 1]
    .filter((columns) => columns >= 1 && columns <= Math.min(count, COLUMNS_MAX))
    .reduce((best, columns) => (empty(columns) < empty(best) ? columns : best), middle);
}

/**
 * Lays pictures out in rows, each with its label below, and writes one JPEG. The pictures are JPEG files
 * in `dir`, named 00000000.jpg and on, in the order of the cells that have one. At least one cell.
 */
export async function makeContactSheet(
  cells: readonly SheetCell[],
  dir: string,
  out: string,
  settings: SheetSettings,
): Promise<{ width: number; height: number }> {
  const { cell } = settings;
  const columns = columnsFor(cells.length, cell);
  const rows = Math.ceil(cells.length / columns);
  const sheet = new Sheet(
    columns * (cell.width + GAP) + GAP,
    rows * (cell.height + BAND + GAP) + GAP,
  );
  const pictures = cells.some(({ hasPicture }) => hasPicture) ? await rawCells(dir, settings) : [];
  for (const [index, { label, hasPicture, isSuspicious }] of cells.entries()) {
    const x = GAP + (index % columns) * (cell.width + GAP);
    const y = GAP + Math.floor(index / columns) * (cell.height + BAND + GAP);
    sheet.fill(x, y, cell.width, cell.height, EMPTY);
    const picture = hasPicture ? pictures.shift() : undefined;
    if (picture !== undefined) sheet.picture(x, y, cell.width, picture);
    else sheet.cross(x, y, cell.width, cell.height, isSuspicious ? ALARM : TEXT);
    if (isSuspicious) sheet.frame(x, y, cell.width, cell.height, ALARM);
    sheet.label(x, y + cell.height + 4, cell.width, label, isSuspicious ? ALARM : TEXT);
  }
  const { width, height } = sheet;
  const raw = ['-f', 'rawvideo', '-pix_fmt', 'rgb24', '-s', `${width}x${height}`, '-i', 'pipe:0'];
  const jpeg = ['-vf', 'format=yuvj444p', '-frames:v', '1', '-q:v', '3', '-update', '1'];
  await runDecoder({
    program: 'ffmpeg',
    args: ffmpegArgs(...raw, ...jpeg, '-f', 'image2', `file:${out}`),
    searchPath: settings.searchPath,
    timeoutMs: settings.timeoutMs,
    input: sheet.pixels,
  });
  return { width, height };
}

/** The pictures of a folder, each fitted into a cell, as RGB bytes. */
async function rawCells(dir: string, settings: SheetSettings): Promise<Buffer[]> {
  const { width, height } = settings.cell;
  const fit = `scale=w='min(${width},iw)':h='min(${height},ih)':force_original_aspect_ratio=decrease`;
  const color = BACKGROUND.map((value) => value.toString(16).padStart(2, '0')).join('');
  const pad = `pad=${width}:${height}:(ow-iw)/2:(oh-ih)/2:color=0x${color}`;
  const chunks: Buffer[] = [];
  await runDecoder({
    program: 'ffmpeg',
    args: ffmpegArgs(
      ...['-f', 'image2', '-i', `file:${path.join(dir, '%08d.jpg')}`],
      ...['-vf', `${fit},${pad}`, '-pix_fmt', 'rgb24', '-f', 'rawvideo', 'pipe:1'],
    ),
    searchPath: settings.searchPath,
    timeoutMs: settings.timeoutMs,
    onOutput: (chunk) => chunks.push(chunk),
  });
  const bytes = Buffer.concat(chunks);
  const size = width * height * 3;
  return Array.from({ length: Math.floor(bytes.length / size) }, (_, i) =>
    bytes.subarray(i * size, (i + 1) * size),
  );
}

/** RGB bytes to draw on. */
class Sheet {
  readonly width: number;
  readonly height: number;
  readonly pixels: Buffer;

  constructor(width: number, height: number) {
    this.width = width;
    this.height = height;
    this.pixels = Buffer.alloc(width * height * 3);
    this.fill(0, 0, width, height, BACKGROUND);
  }

  private dot(x: number, y: number, color: Color): void {
    this.pixels.set(color, (y * this.width + x) * 3);
  }

  fill(x: number, y: number, width: number, height: number, color: Color): void {
    for (let row = y; row < y + height; row++) {
      for (let column = x; column < x + width; column++) this.dot(column, row, color);
    }
  }

  picture(x: number, y: number, width: number, rgb: Buffer): void {
    for (let row = 0; (row + 1) * width * 3 <= rgb.length; row++) {
      rgb.copy(
        this.pixels,
        ((y + row) * this.width + x) * 3,
        row * width * 3,
        (row + 1) * width * 3,
      );
    }
  }

  frame(x: number, y: number, width: number, height: number, color: Color): void {
    this.fill(x, y, width, 2, color);
    this.fill(x, y + height - 2, width, 2, color);
    this.fill(x, y, 2, height, color);
    this.fill(x + width - 2, y, 2, height, color);
  }

  cross(x: number, y: number, width: number, height: number, color: Color): void {
    for (let column = 0; column < width; column++) {
      const row = Math.min(height - 1, Math.floor((column * height) / width));
      this.dot(x + column, y + row, color);
      this.dot(x + column, y + height - 1 - row, color);
    }
  }

  /** In the middle; what does not fit is cut off in front, where names are alike. */
  label(x: number, y: number, width: number, text: string, color: Color): void {
    const shown = text.slice(-Math.floor((width + 1) / (textWidth('0') + 1)));
    const left = x + Math.max(0, Math.floor((width - textWidth(shown)) / 2));
    drawText(shown, (dx, dy) => {
      if (left + dx < x + width && dy < TEXT_HEIGHT) this.dot(left + dx, y + dy, color);
    });
  }
}
