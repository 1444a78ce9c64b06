import { createHash, type Hash } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { NetworkError } from '../api/http.ts';
import { CliError, errnoCode } from '../failure.ts';
import { damaged, type FetchWork, fetchPieces, type ObjectLink } from './fetch-pieces.ts';

export interface FileContent {
  sha256: string;
  sizeBytes: number;
}

export interface DownloadWork extends FetchWork {
  onBytes: (bytes: number) => void;
  /** Whether the file holds the content, where another download was a moment earlier. */
  isThere: () => Promise<boolean>;
}

const READ_BYTES = 1024 * 1024;

/**
 * Fetches one object into `file`, by way of a partial file beside it that is verified and then moved
 * into place, so that `file` is never half written. A partial file that an earlier download of the
 * same content left is gone on with. Two downloads that meet write the same bytes to the same places.
 * Throws StorageRefusalError, StorageUnreachableError, CliError; the partial file stays for next time,
 * unless it is what was wrong.
 */
export async function downloadFile(
  link: ObjectLink,
  content: FileContent,
  file: string,
  work: DownloadWork,
): Promise<void> {
  const partial = partialPath(file, content);
  try {
    await mkdir(path.dirname(file), { recursive: true });
    let fetched = await fetchInto(partial, link, content, work);
    // What was there before may be what is damaged: one try without it.
    if (!fetched.isWhole && fetched.resumedBytes > 0) {
      await rm(partial, { force: true });
      work.onBytes(-content.sizeBytes);
      fetched = await fetchInto(partial, link, content, work);
    }
    if (!fetched.isWhole) {
      await rm(partial, { force: true });
      throw damaged(link.what);
    }
    await moveIntoPlace(partial, file, work);
  } catch (error) {
    throw explained(error, file);
  }
}

/** Of a length that fits beside any name, another for each content and each name. */
function partialPath(file: string, { sha256 }: FileContent): string {
  const name = createHash('sha256').update(path.basename(file)).digest('hex').slice(0, 8);
  return path.join(path.dirname(file), `.karst-${sha256.slice(0, 24)}-${name}.part`);
}

async function fetchInto(
  partial: string,
  link: ObjectLink,
  content: FileContent,
  work: DownloadWork,
): Promise<{ isWhole: boolean; resumedBytes: number }> {
  const handle = await open(partial, constants.O_RDWR | constants.O_CREAT, 0o666);
  try {
    const sha256 = createHash('sha256');
    const { size } = await handle.stat();
    if (size > content.sizeBytes) await handle.truncate();
    const isBegun = size > 0 && size <= content.sizeBytes;
    const resumedBytes = isBegun ? await hashPresent(handle, sha256, work) : 0;
    let position = resumedBytes;
    if (position < content.sizeBytes || content.sizeBytes === 0) {
      for await (const chunks of fetchPieces(link, position, work)) {
        for (const chunk of chunks) sha256.update(chunk);
        const bytes = chunks.reduce((sum, { length }) => sum + length, 0);
        await writeAll(handle, chunks, position, bytes);
        position += bytes;
        work.onBytes(bytes);
      }
    }
    return { isWhole: sha256.digest('hex') === content.sha256, resumedBytes };
  } finally {
    await handle.close();
  }
}

/** One write takes 1,024 buffers at most, and may take less than it was given. */
const BUFFERS_MAX = 512;

async function writeAll(
  handle: FileHandle,
  chunks: readonly Buffer[],
  position: number,
  bytes: number,
): Promise<void> {
  if (chunks.length <= BUFFERS_MAX) {
    const { bytesWritten } = await handle.writev(chunks, position);
    if (bytesWritten === bytes) return;
  }
  let at = position;
  for (const chunk of chunks) {
    for (let done = 0; done < chunk.length; ) {
      const { bytesWritten } = await handle.write(chunk, done, undefined, at);
      done += bytesWritten;
      at += bytesWritten;
    }
  }
}

/** Hashes what a former download left; answers how many bytes. */
async function hashPresent(handle: FileHandle, sha256: Hash, work: DownloadWork): Promise<number> {
  const buffer = Buffer.allocUnsafe(READ_BYTES);
  for (let position = 0; ; ) {
    work.signal.throwIfAborted();
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, position);
    if (bytesRead === 0) return position;
    sha256.update(buffer.subarray(0, bytesRead));
    position += bytesRead;
    work.onBytes(bytesRead);
  }
}

async function moveIntoPlace(partial: string, file: string, work: DownloadWork): Promise<void> {
  try {
    await rename(partial, file);
  } catch (error) {
    if (errnoCode(error) !== 'ENOENT' || !(await work.isThere())) throw error;
  }
}

function explained(error: unknown, file: string): unknown {
  if (error instanceof CliError || error instanceof NetworkError) return error;
  const code = errnoCode(error);
  if (code === undefined) return error;
  const why = code === 'ENOSPC' ? 'the disk is full' : code;
  return new CliError(`${file} can't be written (${why}).`, { cause: error });
}
