import type { Clock } from '@karst/shared/clock.ts';
import type { Random } from '@karst/shared/random.ts';
import type { UsageExchange } from '../dispatch/usage-exchange.ts';
import { objectKeys } from '../objects/keys.ts';
import type { ObjectStore } from '../objects/store.ts';
import type { Redis } from '../store/connection.ts';
import { keys } from '../store/keys.ts';
import { type MirrorState, type UsageStore, usageFileSchema } from '../store/usage-store.ts';
import { underLock } from './job-lock.ts';
import type { Pass } from './pass.ts';

/**
 * Holds what this replica believes was spent against Redis, which misses no replica's charge, and keeps
 * all usage in storage, one replica for all. Where nothing was charged it costs one look.
 */
export function keepUsagePass(parts: {
  redis: Redis;
  objects: Pick<ObjectStore, 'putJson'>;
  usageStore: UsageStore;
  usage: UsageExchange;
  clock: Clock;
  random: Random;
  periodMs: number;
}): Pass {
  const { usageStore, usage, clock } = parts;

  /** Another replica may have written a moment ago. */
  const isDue = ({ changes, kept, keptAtMs }: MirrorState) =>
    changes !== kept && clock.nowMs() - keptAtMs > parts.periodMs / 2;

  async function keep(): Promise<void> {
    const state = await usageStore.mirrorState();
    if (!isDue(state)) return;
    const file = await usageStore.toKeep();
    if (file === undefined) return;
    await parts.objects.putJson(objectKeys.usage, file);
    await usageStore.noteKept(state.changes, clock.nowMs());
  }

  return {
    name: 'keep-usage',
    periodMs: parts.periodMs,
    async runOnce() {
      const state = await usageStore.mirrorState();
      await usage.reread(state.changes);
      if (isDue(state)) await underLock(parts, keys.usageLock(), keep);
    },
  };
}

/** Brings back what storage has of all usage, for a Redis that was emptied. */
export async function restoreUsage(
  usageStore: UsageStore,
  objects: Pick<ObjectStore, 'getJson'>,
): Promise<void> {
  const stored = await objects.getJson(objectKeys.usage);
  if (stored !== undefined) await usageStore.restore(usageFileSchema.parse(stored));
}
