import { constants } from 'node:fs';
import { chmod, copyFile, mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Clock, sleep } from '@karst/shared/clock.ts';
import type { LeaseId } from '@karst/shared/protocol/ids.ts';
import type { Random } from '@karst/shared/random.ts';
import { err, ok, type Result } from '@karst/shared/result.ts';
import { Backoff } from '../http/backoff.ts';
import type { InputDownload, OrchestratorClient } from '../http/orchestrator-client.ts';
import { type GivenUp, persist } from '../http/persist.ts';
import type { Failure } from '../session/failure.ts';
import type { AssetCache, FetchFailure } from './asset-cache.ts';

export type InputsFailure = Failure | { kind: 'aborted'; message: string };

export interface InputSources {
  client: OrchestratorClient;
  cache: AssetCache;
  random: Random;
  clock: Clock;
}

const filesAtOnce = 6;
/** Storage that stays away this long fails the span as the farm's fault. */
const storageAwayMaxMs = 10 * 60_000;

/**
 * Copies a lease's input files into `filesDir` (by reference where the file system can), so that a
 * task may change them without changing the cache. Throws when the disk fails.
 */
export async function materializeInputs(
  sources: InputSources,
  leaseId: LeaseId,
  filesDir: string,
  ended: AbortSignal,
): Promise<Result<null, InputsFailure>> {
  const { client, random } = sources;
  let cursor: string | undefined;
  do {
    const at = cursor;
    const page = await persist(() => client.inputs(leaseId, at, ended), random, ended);
    if (!page.ok) return err(refused(page.error));
    const done = await bringAll(sources, page.value.items, filesDir, ended, async () => {
      const again = await persist(() => client.inputs(leaseId, at, ended), random, ended);
      return again.ok ? again.value.items : [];
    });
    if (!done.ok) return done;
    cursor = page.value.nextCursor;
  } while (cursor !== undefined);
  return ok(null);
}

/** Brings one page of files; those that fail in passing are tried again with fresh URLs. */
async function bringAll(
  { cache, random, clock }: InputSources,
  items: readonly InputDownload[],
  filesDir: string,
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
        const brought = await cache.with(input, ended, (path) => copyInto(path, input, filesDir));
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

async function copyInto(cached: string, input: InputDownload, filesDir: string): Promise<void> {
  const target = join(filesDir, input.path);
  await mkdir(dirname(target), { recursive: true });
  await copyFile(cached, target, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL);
  await chmod(target, input.executable ? 0o755 : 0o644);
}

function refused(error: GivenUp): InputsFailure {
  if (error.kind === 'problem' && error.code !== 'lease_lost') {
    return { kind: 'inputs', message: `the inputs could not be listed: ${error.message}` };
  }
  return { kind: 'aborted', message: error.message };
}
