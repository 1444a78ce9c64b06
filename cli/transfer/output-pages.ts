import type { OutputDownload } from '@karst/shared/protocol/files.ts';
import { routes } from '@karst/shared/protocol/routes.ts';
import { patientRetry } from '../api/backoff.ts';
import type { ApiClient } from '../api/client.ts';
import { CliError } from '../failure.ts';
import type { ObjectLink } from './fetch-pieces.ts';

const PAGE_FILES_MAX = 500;

/** Which of a job's outputs: all, those of one step, those of a run of its tasks. */
export interface OutputSelection {
  jobId: string;
  step?: string | undefined;
  firstTask?: number;
  lastTask?: number;
}

/** A job's accepted outputs in the order of the list, page by page as they are asked for. */
export async function* listOutputs(
  api: ApiClient,
  { jobId, ...selection }: OutputSelection,
  signal: AbortSignal,
): AsyncGenerator<OutputDownload> {
  let cursor: string | undefined;
  do {
    const page = await api.call(
      routes.listOutputs,
      { params: { jobId }, query: { cursor, ...selection, limit: PAGE_FILES_MAX } },
      { signal, retry: patientRetry },
    );
    yield* page.items;
    cursor = page.nextCursor;
  } while (cursor !== undefined);
}

/** How to get one of them, with a new link when the old one has run out. */
export function linkOf(api: ApiClient, jobId: string, output: OutputDownload): ObjectLink {
  const { step, task, path, sha256, sizeBytes } = output;
  let { url } = output;
  return {
    what: path,
    sizeBytes,
    url: () => url,
    async renew(refused, signal) {
      if (url !== refused) return;
      const ofTask = { jobId, step, firstTask: task, lastTask: task };
      for await (const fresh of listOutputs(api, ofTask, signal)) {
        if (fresh.path !== path || fresh.sha256 !== sha256) continue;
        url = fresh.url;
        return;
      }
      throw new CliError(`${path} is no output of ${step} task ${task} any more: it runs again.`);
    },
  };
}
