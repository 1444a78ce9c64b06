import { once } from 'node:events';
import type { Clock } from '@karst/shared/clock.ts';
import type { Response } from 'express';
import type { Logger } from 'pino';
import { keySegment, objectKeys } from '../../objects/keys.ts';
import { readThrough } from '../../objects/read-through.ts';
import type { ObjectBody } from '../../objects/reading.ts';
import type { ObjectStore } from '../../objects/store.ts';
import type { JobStore } from '../../store/job-store.ts';
import type { OutputReader, PlacedOutput } from '../../store/output-reader.ts';
import { type ZipSource, zipArchive } from '../../zip/archive.ts';
import { type Handlers, ProblemError } from '../handler.ts';
import { type ChosenOutputs, chosenOutputs } from './outputs.ts';

/** What is kept of each file until the end makes some 30 MB of so many. */
const FILES_MAX = 200_000;
const PAGE_FILES = 500;
/** A slow client holds its connections to storage for hours; the rest of the 50 are for all else. */
const ZIPS_MAX = 6;
/** Objects opened before their turn, so that small ones do not cost a round trip each. */
const OPENED_AHEAD = 4;

export interface OutputsZipParts {
  jobs: JobStore;
  outputs: OutputReader;
  objects: ObjectStore;
  clock: Clock;
  logger: Logger;
}

export function outputsZipHandlers(parts: OutputsZipParts): Pick<Handlers, 'zipOutputs'> {
  let running = 0;
  return {
    async zipOutputs({ params, query }, { principal, response, signal }) {
      const chosen = await chosenOutputs(parts.jobs, principal.studio, params.jobId, query.step);
      if (chosen.job.outputs.accepted > FILES_MAX) await checkCount(parts.outputs, chosen);
      if (running >= ZIPS_MAX) {
        throw new ProblemError(
          'store_unavailable',
          `This replica makes ${ZIPS_MAX} zips already: try again later, or use karst download.`,
        );
      }
      running++;
      const pieces = zipArchive(sources(parts, chosen, signal), parts.clock.nowMs());
      try {
        // Until there is a byte of the first file, what goes wrong can still be told.
        const first = [await pieces.next(), await pieces.next()];
        response.writeHead(200, {
          'Content-Type': 'application/zip',
          'Content-Disposition': `attachment; filename="${zipName(chosen)}"`,
          'Cache-Control': 'no-store',
          'X-Content-Type-Options': 'nosniff',
          'X-Accel-Buffering': 'no',
        });
        for (const { value } of first) if (value) await send(response, value, signal);
        for await (const piece of pieces) await send(response, piece, signal);
      } catch (error) {
        if (!response.headersSent) throw error;
        if (!signal.aborted) {
          parts.logger.error({ err: error, job: chosen.job.id }, 'a zip of outputs broke off');
        }
        // Neither an end of the answer nor a directory: nobody takes it for whole.
        response.destroy();
        throw error;
      } finally {
        running--;
        await pieces.return(undefined);
      }
    },
  };
}

const zipName = ({ job, steps, only }: ChosenOutputs): string => {
  const step = only < 0 ? '' : `-${(steps[only]?.name ?? '').replace(/[^A-Za-z0-9._-]/g, '_')}`;
  return `${job.id}${step}.zip`;
};

async function* placedOutputs(
  reader: OutputReader,
  { job, steps, only }: ChosenOutputs,
): AsyncGenerator<PlacedOutput> {
  const lastStep = only < 0 ? steps.length - 1 : only;
  let place: { step: number; task: number; file: number } | undefined = {
    step: Math.max(only, 0),
    task: 0,
    file: 0,
  };
  while (place !== undefined) {
    const page = await reader.page(job.id, place, lastStep, PAGE_FILES);
    yield* page.files;
    place = page.next;
  }
}

async function checkCount(reader: OutputReader, chosen: ChosenOutputs): Promise<void> {
  let count = 0;
  for await (const _ of placedOutputs(reader, chosen)) {
    if (++count <= FILES_MAX) continue;
    throw new ProblemError(
      'conflict',
      `A zip takes ${FILES_MAX} files at most: choose a step, or use karst download.`,
    );
  }
}

/** The outputs as `<step>/<path>`, as in the studio's view; a second file of a name says whose it is. */
async function* sources(
  { objects, outputs }: OutputsZipParts,
  chosen: ChosenOutputs,
  signal: AbortSignal,
): AsyncGenerator<ZipSource> {
  const { job, steps } = chosen;
  const names = new Set<string>();
  const opened: { source: ZipSource; body: Promise<ObjectBody | undefined> }[] = [];
  const open = (output: PlacedOutput) => {
    const { step, task, epoch, path, sizeBytes } = output;
    const key = objectKeys.attempt(job.studio, job.id, step, task, epoch, path);
    const plain = `${keySegment(steps[step]?.name ?? '')}/${path}`;
    const name = names.has(plain) ? `${plain} (task ${task})` : plain;
    names.add(name);
    const body = objects.getStream(key, undefined, signal);
    // Whoever reads it hears of it.
    body.catch(() => undefined);
    const bytes = readThrough(objects, { key, sizeBytes }, signal, body);
    opened.push({ source: { name, sizeBytes, bytes }, body });
  };
  try {
    for await (const output of placedOutputs(outputs, chosen)) {
      open(output);
      if (opened.length <= OPENED_AHEAD) continue;
      yield* firstOf(opened);
    }
    while (opened.length > 0) yield* firstOf(opened);
  } finally {
    for (const { body } of opened) {
      body.then(
        (found) => found?.stream.destroy(),
        () => undefined,
      );
    }
  }
}

function* firstOf(opened: { source: ZipSource }[]): Generator<ZipSource> {
  const first = opened[0];
  if (first !== undefined) yield first.source;
  opened.shift();
}

/** Waits while the client is slower than storage. */
async function send(response: Response, piece: Buffer, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  if (!response.write(piece)) await once(response, 'drain', { signal });
}
