/**
 * The records of a zip file (PKWARE's APPNOTE 6.3), for files that are stored as they are and whose
 * CRC is known only when they have gone by: it stands behind each, in a data descriptor. Zip64 where
 * the old fields are too small.
 */

/** What the old fields can't say: the real value is in the zip64 field then. */
const BYTES_MAX = 0xffff_ffff;
const ENTRIES_MAX = 0xffff;
const VERSION = 20;
const VERSION_ZIP64 = 45;
/** Sizes and CRC are in the data descriptor; names are UTF-8. */
const FLAGS = 0x0008 | 0x0800;
const MADE_BY_UNIX = 3 << 8;
/** A plain file that its owner may write and everybody read. */
const ATTRIBUTES = (0o100644 << 16) >>> 0;

export interface ZipEntry {
  /** UTF-8, '/'-separated, relative; at most 65,535 bytes. */
  name: Buffer;
  sizeBytes: number;
  /** Where its local header begins. */
  offset: number;
  crc32: number;
  /** MS-DOS date and time. */
  time: number;
}

/** Seconds are even there, years begin with 1980. In UTC. */
export function dosTime(ms: number): number {
  const date = new Date(ms);
  const day = ((date.getUTCFullYear() - 1980) << 9) | ((date.getUTCMonth() + 1) << 5);
  const time = (date.getUTCHours() << 11) | (date.getUTCMinutes() << 5);
  return (((day | date.getUTCDate()) << 16) | time | (date.getUTCSeconds() >> 1)) >>> 0;
}

type Field = readonly [bytes: 2 | 4 | 8, value: number];

function record(fields: readonly Field[], ...tails: readonly Buffer[]): Buffer {
  const head = Buffer.alloc(fields.reduce((sum, [bytes]) => sum + bytes, 0));
  let at = 0;
  for (const [bytes, value] of fields) {
    if (bytes === 8) head.writeBigUInt64LE(BigInt(value), at);
    else head.writeUIntLE(value, at, bytes);
    at += bytes;
  }
  return tails.length === 0 ? head : Buffer.concat([head, ...tails]);
}

const isLarge = (sizeBytes: number) => sizeBytes >= BYTES_MAX;

const zip64Field = (...values: readonly number[]): Buffer =>
  values.length === 0
    ? Buffer.alloc(0)
    : record([[2, 1], [2, 8 * values.length], ...values.map((value) => [8, value] as const)]);

/** Before the bytes of a file. */
export function localHeader({ name, sizeBytes, time }: Omit<ZipEntry, 'offset' | 'crc32'>): Buffer {
  const large = isLarge(sizeBytes);
  // It says that the data descriptor's sizes have 8 bytes.
  const extra = large ? zip64Field(0, 0) : zip64Field();
  const size = large ? BYTES_MAX : 0;
  return record(
    [
      ...([
        [4, 0x04034b50],
        [2, large ? VERSION_ZIP64 : VERSION],
        [2, FLAGS],
        [2, 0],
      ] as const),
      ...([
        [4, time],
        [4, 0],
        [4, size],
        [4, size],
      ] as const),
      ...([
        [2, name.length],
        [2, extra.length],
      ] as const),
    ],
    name,
    extra,
  );
}

/** Behind the bytes of a file. */
export function dataDescriptor({ crc32, sizeBytes }: Pick<ZipEntry, 'crc32' | 'sizeBytes'>) {
  const bytes = isLarge(sizeBytes) ? 8 : 4;
  return record([
    [4, 0x08074b50],
    [4, crc32],
    [bytes, sizeBytes],
    [bytes, sizeBytes],
  ]);
}

/** One file in the directory at the end. */
export function centralHeader({ name, sizeBytes, offset, crc32, time }: ZipEntry): Buffer {
  const large = isLarge(sizeBytes);
  const far = offset >= BYTES_MAX;
  const extra = zip64Field(...(large ? [sizeBytes, sizeBytes] : []), ...(far ? [offset] : []));
  const version = large || far ? VERSION_ZIP64 : VERSION;
  const size = large ? BYTES_MAX : sizeBytes;
  return record(
    [
      ...([
        [4, 0x02014b50],
        [2, MADE_BY_UNIX | version],
        [2, version],
        [2, FLAGS],
        [2, 0],
      ] as const),
      ...([
        [4, time],
        [4, crc32],
        [4, size],
        [4, size],
      ] as const),
      ...([
        [2, name.length],
        [2, extra.length],
        [2, 0],
        [2, 0],
        [2, 0],
      ] as const),
      ...([
        [4, ATTRIBUTES],
        [4, far ? BYTES_MAX : offset],
      ] as const),
    ],
    name,
    extra,
  );
}

/** The end: how many entries the directory has, its bytes, and where it begins. */
export function endRecords(entries: number, sizeBytes: number, offset: number): Buffer {
  const needs64 = entries >= ENTRIES_MAX || sizeBytes >= BYTES_MAX || offset >= BYTES_MAX;
  const end = record([
    ...([
      [4, 0x06054b50],
      [2, 0],
      [2, 0],
    ] as const),
    ...([
      [2, Math.min(entries, ENTRIES_MAX)],
      [2, Math.min(entries, ENTRIES_MAX)],
    ] as const),
    ...([
      [4, Math.min(sizeBytes, BYTES_MAX)],
      [4, Math.min(offset, BYTES_MAX)],
      [2, 0],
    ] as const),
  ]);
  if (!needs64) return end;
  const end64 = record([
    ...([
      [4, 0x06064b50],
      [8, 44],
      [2, MADE_BY_UNIX | VERSION_ZIP64],
      [2, VERSION_ZIP64],
    ] as const),
    ...([
      [4, 0],
      [4, 0],
      [8, entries],
      [8, entries],
      [8, sizeBytes],
      [8, offset],
    ] as const),
  ]);
  const locator = record([
    [4, 0x07064b50],
    [4, 0],
    [8, offset + sizeBytes],
    [4, 1],
  ]);
  return Buffer.concat([end64, locator, end]);
}
