import { type Clock, sleep } from '@karst/shared/clock.ts';
import { inputFileSchema } from '@karst/shared/protocol/files.ts';
import { jobIdSchema, type StudioId } from '@karst/shared/protocol/ids.ts';
import { z } from 'zod';
import { objectKeys } from '../objects/keys.ts';
import type { ObjectStore } from '../objects/store.ts';
import {
  type AssetTouches,
  DELETION_SECONDS,
  SKEW_MS,
  type Verdict,
} from '../store/asset-touches.ts';
import { HashFilter } from './hash-filter.ts';

const manifestSchema = z.array(inputFileSchema);

/** Manifests read in one step. */
const MANIFESTS_AT_ONCE = 50;
const MANIFEST_LANES = 4;
const VERDICTS_AT_ONCE = 200;
const DELETE_LANES = 8;

export interface Counted {
  files: number;
  bytes: number;
}

export interface RoundParts {
  objects: Pick<ObjectStore, 'folders' | 'getJson' | 'listDated' | 'presignDelete'>;
  touches: AssetTouches;
  clock: Clock;
  /** Sends a signed deletion; answers whether the object is gone for certain. */
  send(url: string): Promise<boolean>;
  /** How long a verdict lies before anything is signed, ms: until Redis has it on its disk. */
  restMs: number;
}

const none = (): Counted => ({ files: 0, bytes: 0 });

/**
 * One round over a studio's input files: first reads what every kept job refers to, then goes through
 * the files and takes away those that nobody refers to and nobody touched for the grace. Goes on step by
 * step; a step that failed may be done again. ARCHITECTURE.md says why it takes nothing that is needed.
 */
export class AssetRound {
  readonly studio: StudioId;
  readonly garbage = none();
  readonly kept = none();
  private readonly parts: RoundParts;
  private readonly isDry: boolean;
  private readonly startedMs: number;
  private readonly referenced = new HashFilter();
  private jobs: string[] | undefined;
  private after = '';
  private swept = false;

  constructor(studio: StudioId, isDry: boolean, parts: RoundParts) {
    this.studio = studio;
    this.isDry = isDry;
    this.parts = parts;
    this.startedMs = parts.clock.nowMs();
  }

  /** True: nothing is left to be done, or too much time has passed for any verdict. */
  get isOver(): boolean {
    return this.swept || this.parts.clock.nowMs() - this.startedMs > this.parts.touches.graceMs;
  }

  async step(): Promise<void> {
    this.jobs ??= await this.parts.objects.folders(objectKeys.studioJobs(this.studio));
    if (this.jobs.length > 0) await this.mark(this.jobs);
    else await this.sweep();
  }

  private async mark(jobs: string[]): Promise<void> {
    const some = jobs.slice(-MANIFESTS_AT_ONCE);
    await inLanes(some, MANIFEST_LANES, async (id) => {
      const key = objectKeys.inputs(this.studio, jobIdSchema.parse(id));
      const stored = await this.parts.objects.getJson(key);
      if (stored === undefined) return;
      for (const { sha256 } of manifestSchema.parse(stored)) this.referenced.add(sha256);
    });
    jobs.length -= some.length;
  }

  private async sweep(): Promise<void> {
    const prefix = objectKeys.assetPrefix(this.studio);
    const { items, isLast } = await this.parts.objects.listDated(prefix, this.after);
    const oldMs = this.startedMs - this.parts.touches.graceMs;
    const sizes = new Map(items.map(({ name, sizeBytes }) => [name, sizeBytes]));
    const candidates = items
      .filter(({ name, writtenMs }) => writtenMs < oldMs && !this.referenced.mayHave(name))
      .map(({ name }) => name);
    const taken = new Set<string>();
    for (let from = 0; from < candidates.length; from += VERDICTS_AT_ONCE) {
      const some = candidates.slice(from, from + VERDICTS_AT_ONCE);
      for (const hash of await this.take(some)) taken.add(hash);
    }
    for (const [name, bytes] of sizes) {
      const count = taken.has(name) ? this.garbage : this.kept;
      count.files += 1;
      count.bytes += bytes;
    }
    this.after = items.at(-1)?.name ?? this.after;
    this.swept = isLast;
  }

  /** Answers what is gone, or in a dry round would be. */
  private async take(hashes: readonly string[]): Promise<string[]> {
    const { touches, clock, restMs } = this.parts;
    const at = { nowMs: clock.nowMs(), roundMs: this.startedMs, isDry: this.isDry };
    const verdict = await touches.condemn(this.studio, hashes, at);
    if (this.isDry || verdict.hashes.length === 0) return verdict.hashes;
    await sleep(restMs);
    return await this.execute(verdict);
  }

  /** Signed first, as of a moment that the confirmation counts from: storage refuses what comes late. */
  private async execute(verdict: Verdict): Promise<string[]> {
    const { objects, touches, clock, send } = this.parts;
    const signedMs = clock.nowMs();
    const links = new Map<string, string>();
    for (const hash of verdict.hashes) {
      const key = objectKeys.asset(this.studio, hash);
      links.set(hash, await objects.presignDelete(key, signedMs, DELETION_SECONDS));
    }
    const neededMs = signedMs + DELETION_SECONDS * 1000 + SKEW_MS;
    const confirmed = await touches.confirm(this.studio, verdict, neededMs);
    const gone: string[] = [];
    await inLanes([...links], DELETE_LANES, async ([hash, url]) => {
      if (confirmed.has(hash) && (await send(url))) gone.push(hash);
    });
    await touches.clear(this.studio, verdict, gone);
    return gone;
  }
}

async function inLanes<T>(
  items: readonly T[],
  lanes: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const queue = items.values();
  const lane = async () => {
    for (const item of queue) await work(item);
  };
  await Promise.all(Array.from({ length: Math.min(lanes, items.length) }, lane));
}
