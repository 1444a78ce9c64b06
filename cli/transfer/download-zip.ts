import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { routes } from '@karst/shared/protocol/routes.ts';
import type { ApiClient } from '../api/client.ts';
import { asBrokenAnswer, NetworkError } from '../api/http.ts';
import { CliError, errnoCode } from '../failure.ts';

export interface ZipRequest {
  jobId: string;
  step: string | undefined;
  /** Where it goes: a file, which is there whole or not at all, or a stream. */
  target: string | NodeJS.WritableStream;
  signal: AbortSignal;
  onBytes: (bytes: number) => void;
}

/** Fetches a job's outputs as one zip file. Throws CliError where it breaks off: it can't be resumed. */
export async function downloadZip(api: ApiClient, request: ZipRequest): Promise<void> {
  const { jobId, step, target, signal } = request;
  const answer = await api.stream(
    routes.zipOutputs,
    { params: { jobId }, query: { step } },
    { signal },
  );
  if (typeof target !== 'string') {
    await passOn(answer, target, request);
    return;
  }
  const partial = `${target}.${api.random.uuid().slice(0, 8)}.part`;
  try {
    await passOn(answer, createWriteStream(partial), request);
    await rename(partial, target);
  } catch (error) {
    await rm(partial, { force: true });
    const code = error instanceof CliError ? undefined : errnoCode(error);
    if (code === undefined) throw error;
    throw new CliError(`${target} can't be written (${code}).`, { cause: error });
  }
}

async function passOn(
  answer: IncomingMessage,
  target: NodeJS.WritableStream,
  { signal, onBytes }: ZipRequest,
): Promise<void> {
  const counted = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      onBytes(chunk.length);
      done(null, chunk);
    },
  });
  try {
    await pipeline(answer, counted, target, { signal });
  } catch (error) {
    const broken = asBrokenAnswer(error);
    if (!(broken instanceof NetworkError)) throw error;
    throw new CliError(
      'The zip broke off before its end. Try again, or without --zip: files are then gone on with.',
      { cause: error },
    );
  }
}
