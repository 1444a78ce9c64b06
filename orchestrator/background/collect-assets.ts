import type { Clock } from '@karst/shared/clock.ts';
import { type StudioId, studioIdSchema } from '@karst/shared/protocol/ids.ts';
import type { Random } from '@karst/shared/random.ts';
import type { Logger } from 'pino';
import { AssetRound, type RoundParts } from '../collection/asset-round.ts';
import { objectKeys } from '../objects/keys.ts';
import type { Redis } from '../store/connection.ts';
import { keys } from '../store/keys.ts';
import type { StorageUseStore } from '../store/storage-use-store.ts';
import { underLock } from './job-lock.ts';
import type { Pass } from './pass.ts';

/** Of a round: each reads 50 manifests or looks at 1000 files. */
const STEPS_PER_RUN_MAX = 20;
/** So often in a grace everything is looked at. */
const ROUNDS_PER_GRACE = 4;

export interface CollectAssetsParts extends RoundParts {
  redis: Redis;
  storageUse: StorageUseStore;
  clock: Clock;
  random: Random;
  logger: Logger;
  periodMs: number;
}

/**
 * Takes away input files that no kept job refers to and nobody asked for lately, studio after studio, a
 * bounded piece each run. Where a round stands is known to this process alone: another begins anew.
 */
export function collectAssetsPass(parts: CollectAssetsParts): Pass {
  const { redis, objects, touches, logger } = parts;
  let ahead: StudioId[] = [];
  let round: AssetRound | undefined;

  async function begin(): Promise<void> {
    const pauseMs = Math.floor(touches.graceMs / ROUNDS_PER_GRACE);
    if ((await redis.set(keys.collectionPause(), '1', 'PX', pauseMs, 'NX')) === null) return;
    const names = await objects.folders(objectKeys.studios);
    ahead = names.map((name) => studioIdSchema.parse(name));
  }

  async function goOn(): Promise<void> {
    if (round === undefined && ahead.length === 0) await begin();
    for (let steps = 0; steps < STEPS_PER_RUN_MAX; steps++) {
      if (round === undefined) {
        const studio = ahead.pop();
        if (studio === undefined) return;
        round = new AssetRound(studio, false, parts);
      }
      await round.step();
      if (!round.isOver) continue;
      const { studio, garbage, kept } = round;
      round = undefined;
      if (garbage.files === 0) continue;
      logger.info({ studio, garbage, kept }, 'unused input files deleted');
      const inputs = { bytes: garbage.bytes, objects: garbage.files };
      await parts.storageUse.takeOff(studio, { inputs });
    }
  }

  return {
    name: 'collect-assets',
    periodMs: parts.periodMs,
    async runOnce() {
      await underLock(parts, keys.collectionLock(), goOn);
    },
  };
}
