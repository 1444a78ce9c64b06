import { lstat } from 'node:fs/promises';
import { type Clock, sleep } from '@karst/shared/clock.ts';
import type { LeaseId } from '@karst/shared/protocol/ids.ts';
import type { PartChecksum } from '@karst/shared/protocol/part-checksums.ts';
import type { Random } from '@karst/shared/random.ts';
import { err, ok, type Result } from '@karst/shared/result.ts';
import { Backoff } from '../http/backoff.ts';
import type { Connections } from '../http/exchange.ts';
import type { OrchestratorClient } from '../http/orchestrator-client.ts';
import { type GivenUp, persist } from '../http/persist.ts';
import type { Failure } from '../session/failure.ts';
import { FileUpload, type UploadFailure } from './file-upload.ts';
import { hashFile } from './hash-file.ts';
import { inParallel } from './in-parallel.ts';
import type { CollectedFile } from './output-watch.ts';
import { stampOf } from './scan-tree.ts';

/** aborted: the lease ended meanwhile; nobody wants the result. */
export type PublishFailure = Failure | { kind: 'aborted'; message: string };

interface UploadItem {
  kind: 'output' | 'log';
  /** Tree path of an output; the log's name. */
  path: string;
  localPath: string;
  sha256: string;
  sizeBytes: number;
  partSums?: string[];
  /** Absent for logs, which only the ended task wrote. */
  stamp?: string;
}

const filesPerRequest = 500;
const filesAtOnce = 4;
/** Storage that stays away this long fails the task as the farm's fault. */
const storageAwayMaxMs = 10 * 60_000;

/** Uploads what the tasks of one lease made, by presigned URLs for exactly these objects. */
export class Publisher {
  readonly #client: OrchestratorClient;
  readonly #connections: Connections;
  readonly #leaseId: LeaseId;
  readonly #random: Random;
  readonly #clock: Clock;
  readonly #partChecksum: PartChecksum;
  readonly #ended: AbortSignal;

  constructor(
    client: OrchestratorClient,
    connections: Connections,
    leaseId: LeaseId,
    ended: AbortSignal,
    sources: { random: Random; clock: Clock; partChecksum: PartChecksum },
  ) {
    this.#client = client;
    this.#connections = connections;
    this.#leaseId = leaseId;
    this.#ended = ended;
    this.#random = sources.random;
    this.#clock = sources.clock;
    this.#partChecksum = sources.partChecksum;
  }

  /** Uploads a task's outputs and its log, if there is one. */
  async publish(
    task: number,
    files: readonly CollectedFile[],
    logPath: string | undefined,
  ): Promise<Result<{ logSizeBytes: number }, PublishFailure>> {
    const items: UploadItem[] = files.map((file) => ({ kind: 'output', ...file }));
    if (logPath !== undefined) {
      const hashed = await hashFile(logPath, this.#partChecksum);
      items.push({ kind: 'log', path: 'task.log', localPath: logPath, ...hashed });
    }
    for (let from = 0; from < items.length; from += filesPerRequest) {
      const sent = await this.#uploadAll(task, items.slice(from, from + filesPerRequest));
      if (!sent.ok) return sent;
    }
    const stored = items.find(({ kind }) => kind === 'log');
    return ok({ logSizeBytes: stored?.sizeBytes ?? 0 });
  }

  /** Asks for URLs and sends; what failed in passing goes on, by fresh URLs where they have aged. */
  async #uploadAll(task: number, items: UploadItem[]): Promise<Result<null, PublishFailure>> {
    const backoff = new Backoff(this.#random, 200);
    const deadlineMs = this.#clock.monotonicMs() + storageAwayMaxMs;
    const begun = new Map<UploadItem, FileUpload>();
    let left = items;
    for (;;) {
      const asked = await this.#begin(task, left, begun);
      if (!asked.ok) return asked;
      const failures: string[] = [];
      const failed: UploadItem[] = [];
      await inParallel(filesAtOnce, left, async (item) => {
        const upload = begun.get(item);
        const sent =
          upload === undefined
            ? err({ message: 'the orchestrator gave too few upload URLs', stale: true })
            : await this.#send(task, item, upload);
        if (sent.ok) return;
        if (sent.error.stale) begun.delete(item);
        failed.push(item);
        failures.push(sent.error.message);
      });
      if (this.#ended.aborted) return err({ kind: 'aborted', message: 'the lease has ended' });
      const changed = await firstChanged(failed);
      if (changed !== undefined) {
        const message = `${JSON.stringify(changed)} changed while it was being uploaded`;
        return err({ kind: 'outputs', message });
      }
      if (failed.length === 0) return ok(null);
      if (this.#clock.monotonicMs() > deadlineMs) {
        return err({ kind: 'storage', message: `storage is unavailable: ${failures[0]}` });
      }
      left = failed;
      await sleep(backoff.nextMs(10_000), this.#ended).catch(() => undefined);
    }
  }

  /** Gets URLs for those that have none (any more). */
  async #begin(
    task: number,
    items: readonly UploadItem[],
    begun: Map<UploadItem, FileUpload>,
  ): Promise<Result<null, PublishFailure>> {
    const fresh = items.filter((item) => !begun.has(item));
    if (fresh.length === 0) return ok(null);
    const urls = await persist(() => this.#requestUploads(task, fresh), this.#random, this.#ended);
    if (!urls.ok) return err(refused(urls.error));
    for (const [index, item] of fresh.entries()) {
      const upload = urls.value.uploads[index];
      if (upload !== undefined) begun.set(item, new FileUpload(item, upload));
    }
    return ok(null);
  }

  #requestUploads(task: number, items: readonly UploadItem[]) {
    const files = items.map(({ kind, path, sha256, sizeBytes, partSums }) => ({
      task,
      kind,
      path,
      sha256,
      sizeBytes,
      ...(partSums === undefined ? {} : { partSums }),
    }));
    return this.#client.createUploads(this.#leaseId, { files }, this.#ended);
  }

  #send(
    task: number,
    { kind, path }: UploadItem,
    upload: FileUpload,
  ): Promise<Result<null, UploadFailure>> {
    const complete = async (uploadId: string, etags: string[]) => {
      const body = { task, kind, path, uploadId, etags };
      const done = await this.#client.completeUpload(this.#leaseId, body, this.#ended);
      if (done.ok) return ok(null);
      const stale = done.error.kind === 'problem' && !done.error.retryable;
      return err({ message: done.error.message, stale });
    };
    return upload.send(this.#connections, complete, this.#ended);
  }
}

function refused(error: GivenUp): PublishFailure {
  if (error.kind === 'problem' && error.code !== 'lease_lost') {
    return { kind: 'outputs', message: `the outputs were refused: ${error.message}` };
  }
  return { kind: 'aborted', message: error.message };
}

async function firstChanged(items: readonly UploadItem[]): Promise<string | undefined> {
  for (const { path, localPath, stamp } of items) {
    if (stamp === undefined) continue;
    const now = await lstat(localPath, { bigint: true }).then(stampOf, () => 'gone');
    if (now !== stamp) return path;
  }
  return undefined;
}
