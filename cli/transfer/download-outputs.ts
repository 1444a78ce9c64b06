import path from 'node:path';
import { type OutputDownload, treePathSchema } from '@karst/shared/protocol/files.ts';
import { routes } from '@karst/shared/protocol/routes.ts';
import { patientRetry } from '../api/backoff.ts';
import type { ApiClient } from '../api/client.ts';
import { boundedParallel } from '../bounded-parallel.ts';
import { relativeInside } from '../bundle/path-values.ts';
import { CliError } from '../failure.ts';
import { downloadFile, holdsContent } from './download-file.ts';
import { StorageRefusalError } from './storage-request.ts';
import type { TransferMeter } from './transfer-meter.ts';

const FILES_PARALLEL_MAX = 4;
const PAGE_FILES_MAX = 200;

export interface DownloadRequest {
  jobId: string;
  step: string | undefined;
  /** Where `<dir>/<path>` go. */
  dir: string;
  signal: AbortSignal;
}

export interface DownloadSummary {
  downloadedCount: number;
  downloadedBytes: number;
  /** Files that were there already with the same content. */
  presentCount: number;
  /** Paths that more than one step wrote: the later step's file is the one kept. */
  sharedPaths: Set<string>;
}

/** Downloads a job's accepted outputs, page by page, skipping what is there already. */
export async function downloadOutputs(
  api: ApiClient,
  request: DownloadRequest,
  meter: TransferMeter,
): Promise<DownloadSummary> {
  const summary: DownloadSummary = {
    downloadedCount: 0,
    downloadedBytes: 0,
    presentCount: 0,
    sharedPaths: new Set(),
  };
  const seen = new Map<string, string>();
  meter.begin('Downloading');
  let cursor: string | undefined;
  do {
    const page = await fetchPage(api, request, cursor);
    const outputs = lastOfEachPath(page.items, seen, summary);
    try {
      await downloadPage(api, outputs, request, { meter, summary });
    } catch (error) {
      // Links live for a while only: on a slow line a page can outlast them. One fresh page is tried.
      if (!(error instanceof StorageRefusalError) || error.status !== 403) throw error;
      const fresh = await fetchPage(api, request, cursor);
      await downloadPage(api, lastOfEachPath(fresh.items, seen, summary), request, {
        meter,
        summary,
      });
    }
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  return summary;
}

function fetchPage(api: ApiClient, request: DownloadRequest, cursor: string | undefined) {
  const { jobId, step, signal } = request;
  return api.call(
    routes.listOutputs,
    { params: { jobId }, query: { cursor, step, limit: PAGE_FILES_MAX } },
    { signal, retry: patientRetry },
  );
}

function lastOfEachPath(
  outputs: readonly OutputDownload[],
  seen: Map<string, string>,
  summary: DownloadSummary,
): OutputDownload[] {
  const last = new Map<string, OutputDownload>();
  for (const output of outputs) {
    const writer = `${output.step}/${output.task}`;
    const earlier = seen.get(output.path);
    if (earlier !== undefined && earlier !== writer) summary.sharedPaths.add(output.path);
    seen.set(output.path, writer);
    last.set(output.path, output);
  }
  return [...last.values()];
}

async function downloadPage(
  api: ApiClient,
  outputs: readonly OutputDownload[],
  request: DownloadRequest,
  work: { meter: TransferMeter; summary: DownloadSummary },
): Promise<void> {
  const { meter, summary } = work;
  const one = async (output: OutputDownload, signal: AbortSignal) => {
    const file = placeInside(request.dir, output.path);
    if (await holdsContent(file, output, signal)) {
      summary.presentCount++;
    } else {
      await downloadFile(output, file, { random: api.random, signal, onBytes: meter.addBytes });
      summary.downloadedCount++;
      summary.downloadedBytes += output.sizeBytes;
    }
    meter.addFile();
  };
  await boundedParallel(outputs, FILES_PARALLEL_MAX, one, request.signal);
}

/** The API's schema has checked the path already; a file must never land elsewhere, so look again. */
function placeInside(dir: string, treePath: string): string {
  const file = path.resolve(dir, treePath);
  if (!treePathSchema.safeParse(treePath).success || relativeInside(dir, file) === undefined) {
    throw new CliError(`The output ${JSON.stringify(treePath)} would leave ${dir}.`);
  }
  return file;
}
