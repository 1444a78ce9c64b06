import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { OutputDownload } from '@karst/shared/protocol/files.ts';
import type { Random } from '@karst/shared/random.ts';
import { NetworkError } from '../api/http.ts';
import { CliError, errnoCode } from '../failure.ts';
import { hashFile } from './hash-file.ts';
import { storageRequest } from './storage-request.ts';

interface DownloadWork {
  random: Random;
  signal: AbortSignal;
  onBytes: (bytes: number) => void;
}

/** Whether `file` holds this content already. */
export async function holdsContent(
  file: string,
  content: { sha256: string; sizeBytes: number },
  signal: AbortSignal,
): Promise<boolean> {
  const found = await stat(file).catch((error: unknown) => {
    if (errnoCode(error) === 'ENOENT' || errnoCode(error) === 'ENOTDIR') return undefined;
    throw new CliError(`${file} can't be looked at (${errnoCode(error)}).`, { cause: error });
  });
  if (found === undefined || found.size !== content.sizeBytes) return false;
  if (!found.isFile()) return false;
  return (await hashFile(file, { signal })).sha256 === content.sha256;
}

/**
 * Streams one output to `file`: into a temporary file beside it, verified, then moved into place, so
 * that `file` is never half written. Throws StorageRefusalError, StorageUnreachableError, CliError.
 */
export async function downloadFile(
  output: OutputDownload,
  file: string,
  work: DownloadWork,
): Promise<void> {
  const partial = `${file}.${work.random.uuid().slice(0, 8)}.part`;
  try {
    await mkdir(path.dirname(file), { recursive: true });
    await storageRequest(
      {
        method: 'GET',
        url: output.url,
        what: output.path,
        random: work.random,
        signal: work.signal,
      },
      async (answer) => {
        const check = contentCheck(output, work.onBytes);
        await pipeline(answer, check, createWriteStream(partial), { signal: work.signal });
      },
    );
    await rename(partial, file);
  } catch (error) {
    await rm(partial, { force: true });
    throw explained(error, file);
  }
}

/** Passes bytes on and fails at the end unless they are the output's. */
function contentCheck(output: OutputDownload, onBytes: (bytes: number) => void): Transform {
  const sha256 = createHash('sha256');
  let bytes = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      sha256.update(chunk);
      bytes += chunk.length;
      onBytes(chunk.length);
      done(null, chunk);
    },
    flush(done) {
      if (bytes === output.sizeBytes && sha256.digest('hex') === output.sha256) done();
      else
        done(
          new CliError(`${output.path} arrived damaged: its content does not match its SHA-256.`),
        );
    },
  });
}

function explained(error: unknown, file: string): unknown {
  if (error instanceof CliError || error instanceof NetworkError) return error;
  const code = errnoCode(error);
  if (code === undefined) return error;
  const why = code === 'ENOSPC' ? 'the disk is full' : code;
  return new CliError(`${file} can't be written (${why}).`, { cause: error });
}
