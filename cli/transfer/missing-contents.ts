import type { Clock } from '@karst/shared/clock.ts';
import type { AssetUpload } from '@karst/shared/protocol/asset-uploads.ts';
import { routes } from '@karst/shared/protocol/routes.ts';
import { patientRetry } from '../api/backoff.ts';
import type { ApiClient } from '../api/client.ts';
import { boundedParallel } from '../bounded-parallel.ts';
import type { HashedFile } from './hash-inputs.ts';

/** How many contents one call asks for, and how many calls are under way at once. */
const CALL_FILES_MAX = 1000;
const CALLS_AT_ONCE = 4;
/** Links are 700 bytes each; those that are not kept are asked for again when their turn comes. */
const LINKS_KEPT_MAX = 10_000;
/** Links live for an hour. */
const LINK_AGE_MS_MAX = 30 * 60_000;

interface AskWork {
  api: ApiClient;
  clock: Clock;
  signal: AbortSignal;
}

/** Contents that the studio lacks, asked for in one call. */
export class MissingContents {
  readonly #work: AskWork;
  #links: Promise<Map<string, AssetUpload>> | undefined;
  #askedAtMs: number;
  /** What has not been sent. */
  readonly waiting = new Map<string, HashedFile>();

  constructor(
    work: AskWork,
    files: readonly HashedFile[],
    links: Map<string, AssetUpload> | undefined,
  ) {
    this.#work = work;
    this.#links = links && Promise.resolve(links);
    this.#askedAtMs = work.clock.monotonicMs();
    for (const file of files) this.waiting.set(file.sha256, file);
  }

  /** How to upload one of them; undefined: somebody else has uploaded it meanwhile. */
  async uploadOf(file: HashedFile): Promise<AssetUpload | undefined> {
    const ageMs = this.#work.clock.monotonicMs() - this.#askedAtMs;
    if (this.#links === undefined || ageMs > LINK_AGE_MS_MAX) {
      this.#askedAtMs = this.#work.clock.monotonicMs();
      this.#links = askUploads(this.#work.api, [...this.waiting.values()], this.#work.signal);
    }
    return (await this.#links).get(file.sha256);
  }

  /** A link of its own, for one that storage did not take. */
  async freshUploadOf(file: HashedFile): Promise<AssetUpload | undefined> {
    return (await askUploads(this.#work.api, [file], this.#work.signal)).get(file.sha256);
  }

  done(file: HashedFile): void {
    this.waiting.delete(file.sha256);
  }
}

/** Asks which contents the studio lacks, all of them before anything is sent. */
export async function findMissing(
  work: AskWork,
  contents: readonly HashedFile[],
): Promise<MissingContents[]> {
  // Neighbours among all hashes are found with fewer calls to storage.
  const sorted = [...contents].sort((a, b) => (a.sha256 < b.sha256 ? -1 : 1));
  const calls: HashedFile[][] = [];
  for (let from = 0; from < sorted.length; from += CALL_FILES_MAX) {
    calls.push(sorted.slice(from, from + CALL_FILES_MAX));
  }
  const missing: MissingContents[] = [];
  let kept = 0;
  const ask = async (files: readonly HashedFile[], signal: AbortSignal) => {
    const links = await askUploads(work.api, files, signal);
    if (links.size === 0) return;
    const lacked = files.filter(({ sha256 }) => links.has(sha256));
    const isKept = kept + links.size <= LINKS_KEPT_MAX;
    if (isKept) kept += links.size;
    missing.push(new MissingContents(work, lacked, isKept ? links : undefined));
  };
  await boundedParallel(calls, CALLS_AT_ONCE, ask, work.signal);
  return missing;
}

/** How to upload those contents that are not there yet, by their hashes. */
async function askUploads(
  api: ApiClient,
  files: readonly HashedFile[],
  signal: AbortSignal,
): Promise<Map<string, AssetUpload>> {
  const body = { files: files.map(({ sha256, sizeBytes }) => ({ sha256, sizeBytes })) };
  const answer = await api.call(
    routes.createAssetUploads,
    { body },
    { signal, retry: patientRetry },
  );
  const wanted = new Map<string, AssetUpload>();
  for (const { sha256, upload } of answer.uploads) if (upload !== null) wanted.set(sha256, upload);
  return wanted;
}
