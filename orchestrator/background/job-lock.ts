import { type Clock, sleep } from '@karst/shared/clock.ts';
import type { Random } from '@karst/shared/random.ts';
import type { Redis } from '../store/connection.ts';

/** Renewed while it is held; a replica that dies frees the job by then. */
const LOCK_MS = 5_000;

/**
 * Does `work` unless another replica is at it. An economy, not a fence: a lock that was held up may be
 * held twice, so the work has to bear that.
 */
export async function underLock(
  parts: { redis: Redis; clock: Clock; random: Random },
  lock: string,
  work: () => Promise<void>,
): Promise<boolean> {
  const { redis } = parts;
  const token = parts.random.uuid();
  if ((await redis.set(lock, token, 'PX', LOCK_MS, 'NX')) === null) return false;
  const done = new AbortController();
  const held = hold(redis, lock, done.signal);
  try {
    await work();
  } finally {
    done.abort();
    await held;
    if ((await redis.get(lock)) === token) await redis.del(lock);
  }
  return true;
}

/** One piece of work may take longer than the lock lasts. */
async function hold(redis: Redis, lock: string, done: AbortSignal): Promise<void> {
  while (!done.aborted) {
    await sleep(LOCK_MS / 3, done).catch(() => undefined);
    if (!done.aborted) await redis.pexpire(lock, LOCK_MS).catch(() => undefined);
  }
}
