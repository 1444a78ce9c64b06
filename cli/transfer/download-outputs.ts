import path from 'node:path';
import { type OutputDownload, treePathSchema } from '@karst/shared/protocol/files.ts';
import type { ApiClient } from '../api/client.ts';
import { boundedParallel } from '../bounded-parallel.ts';
import { relativeInside } from '../bundle/path-values.ts';
import { CliError } from '../failure.ts';
import { downloadFile } from './download-file.ts';
import { linkOf, listOutputs, type OutputSelection } from './output-pages.ts';
import type { PresentFiles } from './present-files.ts';

/** Files at once. A file that is alone uses as many requests itself. */
const REQUESTS_MAX = 8;

/** Told as bytes and files come. */
export interface DownloadMeter {
  addBytes: (bytes: number) => void;
  addFile: () => void;
}

export interface DownloadSummary {
  downloadedCount: number;
  downloadedBytes: number;
  /** Files that were there already with the same content. */
  presentCount: number;
  /** Paths that more than one task wrote: the file of the one listed last is kept. */
  sharedPaths: Set<string>;
}

/** Brings a job's accepted outputs to `<dir>/<path>`, as often as it is asked to, each once. */
export class OutputDownloader {
  readonly summary: DownloadSummary = {
    downloadedCount: 0,
    downloadedBytes: 0,
    presentCount: 0,
    sharedPaths: new Set(),
  };
  readonly #api: ApiClient;
  readonly #dir: string;
  readonly #meter: DownloadMeter;
  readonly #present: PresentFiles;
  /** By path: which output was brought there. */
  readonly #brought = new Map<string, string>();
  /** By path: one file is written by one at a time, in the order of the list. */
  readonly #writing = new Map<string, Promise<void>>();

  constructor(api: ApiClient, dir: string, parts: { meter: DownloadMeter; present: PresentFiles }) {
    this.#api = api;
    this.#dir = dir;
    this.#meter = parts.meter;
    this.#present = parts.present;
  }

  /** Whatever is listed under `selection` and not brought yet. */
  async bring(selection: OutputSelection, signal: AbortSignal): Promise<void> {
    const outputs = listOutputs(this.#api, selection, signal);
    const bring = (output: OutputDownload, at: AbortSignal) =>
      this.#inTurn(output.path, () => this.#bringOne(selection.jobId, output, at));
    await boundedParallel(outputs, REQUESTS_MAX, bring, signal);
  }

  async #inTurn(treePath: string, work: () => Promise<void>): Promise<void> {
    const before = this.#writing.get(treePath);
    const done = before === undefined ? work() : before.then(work);
    this.#writing.set(treePath, done);
    try {
      await done;
    } finally {
      if (this.#writing.get(treePath) === done) this.#writing.delete(treePath);
    }
  }

  async #bringOne(jobId: string, output: OutputDownload, signal: AbortSignal): Promise<void> {
    const { summary } = this;
    const writer = `${output.step}/${output.task}`;
    const source = `${output.sha256} ${writer}`;
    const earlier = this.#brought.get(output.path);
    if (earlier !== undefined && !earlier.endsWith(` ${writer}`)) {
      summary.sharedPaths.add(output.path);
    }
    if (earlier === source) return;
    const file = placeInside(this.#dir, output.path);
    const isThere = () => this.#present.holds(file, output, signal);
    if (await isThere()) {
      if (earlier === undefined) summary.presentCount++;
    } else {
      await downloadFile(linkOf(this.#api, jobId, output), output, file, {
        random: this.#api.random,
        signal,
        onBytes: this.#meter.addBytes,
        isThere,
        // Those that write are under way; each has its even share of the requests.
        requestsMax: () => Math.floor(REQUESTS_MAX / Math.max(1, this.#writing.size)),
      });
      await this.#present.written(file, output);
      summary.downloadedCount++;
      summary.downloadedBytes += output.sizeBytes;
    }
    this.#brought.set(output.path, source);
    this.#meter.addFile();
  }
}

/** The API's schema has checked the path already; a file must never land elsewhere, so look again. */
function placeInside(dir: string, treePath: string): string {
  const file = path.resolve(dir, treePath);
  if (!treePathSchema.safeParse(treePath).success || relativeInside(dir, file) === undefined) {
    throw new CliError(`The output ${JSON.stringify(treePath)} would leave ${dir}.`);
  }
  return file;
}
