import { type Clock, sleep } from '@karst/shared/clock.ts';
import type { StudioId } from '@karst/shared/protocol/ids.ts';
import { ProblemError } from '../http/handler.ts';
import { objectKeys } from '../objects/keys.ts';
import type { ObjectStore } from '../objects/store.ts';
import type { AssetTouches } from '../store/asset-touches.ts';

/** How long a caller waits for files that are being taken away, and how often it looks. */
const WAIT_MS = 10_000;
const LOOK_MS = 250;

/**
 * Which input files a studio has. Whoever is told that one is there, or how to upload it, can count on it
 * for the grace: it is touched before storage is asked, so no verdict falls in between.
 */
export class AssetPresence {
  private readonly objects: Pick<ObjectStore, 'sizesBelow'>;
  private readonly touches: AssetTouches;
  private readonly clock: Clock;

  constructor(parts: {
    objects: Pick<ObjectStore, 'sizesBelow'>;
    touches: AssetTouches;
    clock: Clock;
  }) {
    this.objects = parts.objects;
    this.touches = parts.touches;
    this.clock = parts.clock;
  }

  /** Time within which a submission has to be stored after its inputs were found, ms. */
  get trustedMs(): number {
    return this.touches.graceMs / 2;
  }

  /** Bytes by hash, of those that are there. Throws ProblemError store_unavailable. */
  async sizes(studio: StudioId, hashes: readonly string[]): Promise<Map<string, number>> {
    await this.touch(studio, hashes);
    return await this.objects.sizesBelow(objectKeys.assetPrefix(studio), hashes);
  }

  /** Throws ProblemError store_unavailable while some are being taken away. */
  async touch(studio: StudioId, hashes: readonly string[]): Promise<void> {
    const startedMs = this.clock.monotonicMs();
    let left = await this.touches.touch(studio, hashes, this.clock.nowMs());
    while (left.length > 0) {
      if (this.clock.monotonicMs() - startedMs > WAIT_MS) {
        throw new ProblemError(
          'store_unavailable',
          'Old input files are being deleted, these among them: try again in some minutes.',
        );
      }
      await sleep(LOOK_MS);
      left = await this.touches.touch(studio, left, this.clock.nowMs());
    }
  }
}
