import { type Clock, sleep } from '@karst/shared/clock.ts';
import type { Grant } from '@karst/shared/protocol/lease.ts';
import type { Random } from '@karst/shared/random.ts';
import { err, ok, type Result } from '@karst/shared/result.ts';
import { Backoff } from '../http/backoff.ts';
import type { InputDownload, OrchestratorClient } from '../http/orchestrator-client.ts';
import { type GivenUp, persist } from '../http/persist.ts';
import type { Failure } from '../session/failure.ts';
import type { AssetCache } from './asset-cache.ts';
import type { FetchFailure } from './fetch-failure.ts';
import type { FileTree, WantedFile } from './file-tree.ts';
import type { FilePlacer } from './placing.ts';
import type { WarmJobs } from './warm-jobs.ts';

export type InputsFailure = Failure | { kind: 'aborted'; message: string };

export interface InputSources {
  client: OrchestratorClient;
  cache: AssetCache;
  placer: FilePlacer;
  warm: WarmJobs;
  random: Random;
  clock: Clock;
}

/** As many as TransferGate lets through. */
const filesAtOnce = 16;
/** Storage that stays away this long fails the span as the farm's fault. */
const storageAwayMaxMs = 10 * 60_000;

/** A file tree to be filled. */
export interface TreePlaces {
  tree: FileTree;
  /** Whether tasks may find a file there that they can only read. */
  isReadOnly(path: string): boolean;
}

/**
 * Makes a session's file tree what a lease's step finds there: brings what is new or was changed since,
 * removes what was brought or published for another step. Throws when the disk fails, or when something
 * that a task left is in the way.
 */
export async function materializeInputs(
  sources: InputSources,
  { leaseId, jobId, step }: Pick<Grant, 'leaseId' | 'jobId' | 'step'>,
  places: TreePlaces,
  ended: AbortSignal,
): Promise<Result<null, InputsFailure>> {
  const { client, random, warm } = sources;
  const { tree } = places;
  const list = (cursor: string | undefined) =>
    persist(() => client.inputs(leaseId, cursor, ended), random, ended);
  let lacking: ReadonlySet<string> | undefined;
  if (tree.isEmpty) {
    await tree.prepare(new Map(), step);
  } else {
    const wanted = await listAll(list);
    if (!wanted.ok) return wanted;
    lacking = await tree.prepare(wanted.value, step);
    warm.used(jobId, bytesOf([...wanted.value.values()]));
    if (lacking.size === 0) return ok(null);
  }
  let cursor: string | undefined;
  let sizeBytes = 0;
  let coming = list(undefined);
  do {
    const at = cursor;
    const page = await coming;
    if (!page.ok) return err(refused(page.error));
    const { items, nextCursor } = page.value;
    // Listed while these are brought.
    if (nextCursor !== undefined) coming = list(nextCursor);
    const done = await bringAll(sources, toBring(items, lacking), places, ended, async () => {
      const again = await list(at);
      return again.ok ? toBring(again.value.items, lacking) : [];
    });
    if (!done.ok) return done;
    sizeBytes += bytesOf(items);
    cursor = nextCursor;
  } while (cursor !== undefined);
  warm.used(jobId, sizeBytes);
  return ok(null);
}

type ListedFile = WantedFile & { sizeBytes: number };

const bytesOf = (files: readonly { sizeBytes: number }[]): number =>
  files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);

type Listing = (
  cursor: string | undefined,
) => Promise<Result<{ items: InputDownload[]; nextCursor?: string | undefined }, GivenUp>>;

/** Every file of the tree; a later one of the same path replaces an earlier one. */
async function listAll(list: Listing): Promise<Result<Map<string, ListedFile>, InputsFailure>> {
  const wanted = new Map<string, ListedFile>();
  let cursor: string | undefined;
  do {
    const page = await list(cursor);
    if (!page.ok) return err(refused(page.error));
    for (const { path, sha256, sizeBytes, executable } of page.value.items) {
      wanted.set(path, { sha256, sizeBytes, executable });
    }
    cursor = page.value.nextCursor;
  } while (cursor !== undefined);
  return ok(wanted);
}

/** Of a page: each path once, its last content, if it is lacking. */
function toBring(
  items: readonly InputDownload[],
  lacking: ReadonlySet<string> | undefined,
): readonly InputDownload[] {
  const wanted = items.filter(({ path }) => lacking?.has(path) ?? true);
  return [...new Map(wanted.map((item) => [item.path, item])).values()];
}

/** Brings one page of files; those that fail in passing are tried again with fresh URLs. */
async function bringAll(
  { cache, placer, random, clock }: InputSources,
  items: readonly InputDownload[],
  { tree, isReadOnly }: TreePlaces,
  ended: AbortSignal,
  listAgain: () => Promise<readonly InputDownload[]>,
): Promise<Result<null, InputsFailure>> {
  const backoff = new Backoff(random, 200);
  const deadlineMs = clock.monotonicMs() + storageAwayMaxMs;
  let left = items;
  for (;;) {
    const failures = new Map<string, FetchFailure>();
    const waiting = [...left];
    const lane = async () => {
      for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) {
        const input = item;
        const file = { ...input, isReadOnly: isReadOnly(input.path) };
        const brought = await cache.use(input, ended, (source) =>
          tree.place(input.path, file, source, placer),
        );
        if (!brought.ok) failures.set(input.path, brought.error);
      }
    };
    await Promise.all(Array.from({ length: filesAtOnce }, lane));
    if (ended.aborted) return err({ kind: 'aborted', message: 'the lease has ended' });
    const [failure] = failures.values();
    if (failure === undefined) return ok(null);
    const hopeless = [...failures.values()].find(({ passing }) => !passing);
    if (hopeless !== undefined || clock.monotonicMs() > deadlineMs) {
      return err({ kind: 'inputs', message: (hopeless ?? failure).message });
    }
    await sleep(backoff.nextMs(10_000), ended).catch(() => undefined);
    left = (await listAgain()).filter(({ path }) => failures.has(path));
    if (left.length === 0) return err({ kind: 'aborted', message: 'the lease has ended' });
  }
}

function refused(error: GivenUp): InputsFailure {
  if (error.kind === 'problem' && error.code !== 'lease_lost') {
    return { kind: 'inputs', message: `the inputs could not be listed: ${error.message}` };
  }
  return { kind: 'aborted', message: error.message };
}
