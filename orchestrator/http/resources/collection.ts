import type { Clock } from '@karst/shared/clock.ts';
import type { Collected } from '@karst/shared/protocol/collection.ts';
import { studioIdSchema } from '@karst/shared/protocol/ids.ts';
import type { Random } from '@karst/shared/random.ts';
import { underLock } from '../../background/job-lock.ts';
import { AssetRound, type RoundParts } from '../../collection/asset-round.ts';
import { objectKeys } from '../../objects/keys.ts';
import type { Redis } from '../../store/connection.ts';
import { keys } from '../../store/keys.ts';
import type { StorageUseStore } from '../../store/storage-use-store.ts';
import { type Handlers, ProblemError } from '../handler.ts';

/** A caller waits no longer. */
const WITHIN_MS = 20_000;

export function collectionHandlers(
  parts: RoundParts & {
    redis: Redis;
    storageUse: StorageUseStore;
    clock: Clock;
    random: Random;
  },
): Pick<Handlers, 'collectGarbage'> {
  async function collect(isDry: boolean): Promise<{ items: Collected[]; isWhole: boolean }> {
    const startedMs = parts.clock.monotonicMs();
    const items: Collected[] = [];
    for (const name of await parts.objects.folders(objectKeys.studios)) {
      const round = new AssetRound(studioIdSchema.parse(name), isDry, parts);
      while (!round.isOver) {
        if (parts.clock.monotonicMs() - startedMs > WITHIN_MS) return { items, isWhole: false };
        await round.step();
      }
      const { studio, garbage, kept } = round;
      const inputs = { bytes: garbage.bytes, objects: garbage.files };
      if (!isDry) await parts.storageUse.takeOff(studio, { inputs });
      items.push({ studio, unused: garbage, kept });
    }
    return { items, isWhole: true };
  }

  return {
    async collectGarbage({ body }) {
      if (body.dryRun) return await collect(true);
      let answer: Awaited<ReturnType<typeof collect>> | undefined;
      await underLock(parts, keys.collectionLock(), async () => {
        answer = await collect(false);
      });
      if (answer !== undefined) return answer;
      throw new ProblemError('conflict', 'Input files are being collected already.');
    },
  };
}
