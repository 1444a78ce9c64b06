import { createHash } from 'node:crypto';
import { AssetRound } from '@karst/orchestrator/collection/asset-round.ts';
import { deleteJob } from '@karst/orchestrator/jobs/delete-job.ts';
import { objectKeys } from '@karst/orchestrator/objects/keys.ts';
import { sendDeletion } from '@karst/orchestrator/objects/send-deletion.ts';
import type { ObjectStore } from '@karst/orchestrator/objects/store.ts';
import { AssetTouches } from '@karst/orchestrator/store/asset-touches.ts';
import type { JobId } from '@karst/shared/protocol/ids.ts';
import type { Redis } from 'ioredis';
import type { ManualClock } from '../http/manual-clock.ts';
import { StoredJobs } from '../store/support/stored-jobs.ts';

export const GRACE_MS = 86_400_000;

export const contents = ['a', 'b', 'c', 'd', 'e', 'f'];
export const sha256Of = (content: string): string =>
  createHash('sha256').update(content).digest('hex');

/** Holds a round up at a place where it can be overtaken. */
export type Hold = () => Promise<void>;

/** Input files on a real Redis and a real store, both in a time of the test's own. */
export class AssetFarm {
  readonly stored: StoredJobs;
  readonly touches: AssetTouches;
  readonly clock: ManualClock;
  private readonly objects: ObjectStore;
  /** What kept jobs refer to. */
  readonly referred = new Map<JobId, readonly string[]>();

  constructor(redis: Redis, objects: ObjectStore, clock: ManualClock) {
    this.clock = clock;
    this.stored = new StoredJobs(redis, objects);
    this.touches = new AssetTouches(redis, GRACE_MS);
    this.objects = objects;
  }

  /** A round that is held up behind its verdict, before and behind the confirmation. */
  round(hold: Hold = async () => undefined, isDry = false): AssetRound {
    const { objects, clock, touches } = this;
    const held = Object.create(touches, {
      condemn: {
        value: async (...args: Parameters<AssetTouches['condemn']>) => {
          const verdict = await touches.condemn(...args);
          await hold();
          return verdict;
        },
      },
      confirm: {
        value: async (...args: Parameters<AssetTouches['confirm']>) => {
          await hold();
          const confirmed = await touches.confirm(...args);
          await hold();
          return confirmed;
        },
      },
    });
    const presignDelete: ObjectStore['presignDelete'] = (key, signedAtMs, lifetimeSeconds) => {
      // The farm's time is storage's here: what the client has learned of another is taken off again.
      const offsetMs = objects.clockOffsetMs();
      const skewMs = Math.abs(offsetMs) < 60_000 ? 0 : offsetMs;
      return objects.presignDelete(key, signedAtMs - skewMs, lifetimeSeconds);
    };
    return new AssetRound(this.stored.studio, isDry, {
      clock,
      objects: { ...objects, presignDelete },
      touches: held,
      send: sendDeletion,
      restMs: 0,
    });
  }

  async has(content: string): Promise<boolean> {
    const key = objectKeys.asset(this.stored.studio, sha256Of(content));
    return (await this.objects.head(key)) !== undefined;
  }

  async put(content: string): Promise<void> {
    await this.objects.putText(objectKeys.asset(this.stored.studio, sha256Of(content)), content);
  }

  /** As clients and submissions do: touch, then look. Undefined: it is being taken away, ask again. */
  async ask(content: string): Promise<boolean | undefined> {
    const { studio } = this.stored;
    const barred = await this.touches.touch(studio, [sha256Of(content)], this.clock.nowMs());
    return barred.length > 0 ? undefined : await this.has(content);
  }

  /** The first half of a submission; undefined where it is refused. */
  async check(some: readonly string[]): Promise<number | undefined> {
    const checkedMs = this.clock.nowMs();
    for (const content of some) if ((await this.ask(content)) !== true) return undefined;
    return checkedMs;
  }

  /** The second half, as much later as a submission may be. */
  async store(some: readonly string[], checkedMs: number): Promise<JobId | undefined> {
    if (this.clock.nowMs() - checkedMs > GRACE_MS / 2) return undefined;
    const inputs = some.map((content) => ({
      path: content,
      sha256: sha256Of(content),
      sizeBytes: content.length,
      executable: false,
    }));
    const id = await this.stored.submit(this.clock.nowMs(), 'default', inputs);
    this.referred.set(id, some);
    return id;
  }

  async delete(id: JobId): Promise<void> {
    await this.stored.end(id, this.clock.nowMs());
    const { studio } = this.stored;
    const { deletions } = this.stored;
    const parts = { deletions, objects: this.objects };
    if (!(await deleteJob(parts, { id, studio, stepCount: 1 }))) throw new Error(`${id} is open`);
    this.referred.delete(id);
    await this.objects.deletePrefix(objectKeys.jobPrefix(studio, id));
  }

  /** What kept jobs refer to and storage does not have. */
  async lost(): Promise<string[]> {
    const wanted = new Set([...this.referred.values()].flat());
    const found = await Promise.all([...wanted].map((content) => this.has(content)));
    return [...wanted].filter((_, i) => found[i] !== true);
  }
}
