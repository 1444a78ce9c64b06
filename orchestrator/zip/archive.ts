import { crc32 } from 'node:zlib';
import {
  centralHeader,
  dataDescriptor,
  dosTime,
  endRecords,
  localHeader,
  type ZipEntry,
} from './records.ts';

/** A file to be: it must give exactly `sizeBytes`. */
export interface ZipSource {
  /** '/'-separated, relative. */
  name: string;
  sizeBytes: number;
  bytes: AsyncIterable<Buffer>;
}

/** Directory records are gathered into buffers of about so much: thousands of small ones cost more. */
const GATHERED_BYTES = 64 * 1024;

/**
 * A zip file of the sources, one after the other, stored as they are. It is made as it is read: all
 * that is kept is a record of about 50 bytes and its name for each file. A source that fails, or has
 * another size than it says, fails the whole, before the directory without which no zip is one.
 */
export async function* zipArchive(
  sources: AsyncIterable<ZipSource>,
  nowMs: number,
): AsyncGenerator<Buffer> {
  const time = dosTime(nowMs);
  const directory: Buffer[] = [];
  let gathered: Buffer[] = [];
  let gatheredBytes = 0;
  let directoryBytes = 0;
  let entries = 0;
  let offset = 0;
  /** What stands behind the file before goes out with what stands before the next. */
  let descriptor: Buffer = Buffer.alloc(0);
  for await (const { name, sizeBytes, bytes } of sources) {
    const entry: ZipEntry = { name: Buffer.from(name), sizeBytes, offset, crc32: 0, time };
    const head = localHeader(entry);
    yield Buffer.concat([descriptor, head]);
    let seen = 0;
    for await (const chunk of bytes) {
      seen += chunk.length;
      if (seen > sizeBytes) break;
      entry.crc32 = crc32(chunk, entry.crc32);
      yield chunk;
    }
    if (seen !== sizeBytes) {
      throw new Error(`${name}: storage has ${seen} bytes or more instead of ${sizeBytes}`);
    }
    descriptor = dataDescriptor(entry);
    offset += head.length + sizeBytes + descriptor.length;
    entries++;
    const listed = centralHeader(entry);
    gathered.push(listed);
    gatheredBytes += listed.length;
    if (gatheredBytes < GATHERED_BYTES) continue;
    directory.push(Buffer.concat(gathered));
    directoryBytes += gatheredBytes;
    gathered = [];
    gatheredBytes = 0;
  }
  directory.push(...gathered);
  directoryBytes += gatheredBytes;
  yield descriptor;
  yield* directory;
  yield endRecords(entries, directoryBytes, offset);
}
