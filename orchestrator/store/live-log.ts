import type { JobId } from '@karst/shared/protocol/ids.ts';
import type { Redis } from './connection.ts';
import { keys } from './keys.ts';

const ENTRIES_MAX = 2000;
const TTL_SECONDS = 3600;
const CHANNEL = 'karst:live-log';

export interface LiveLogRef {
  jobId: JobId;
  step: number;
  task: number;
}

export interface LiveLogPage {
  text: string;
  /** Position to read on from. */
  last: string;
}

/**
 * The live tail of running tasks: a short-lived stream each, for people who watch. The full log goes
 * to storage with the attempt's other results.
 */
export class LiveLogs {
  private readonly redis: Redis;
  private readonly watchers = new Map<string, Set<() => void>>();

  constructor(redis: Redis) {
    this.redis = redis;
  }

  async start(subscriber: Redis): Promise<void> {
    subscriber.on('message', (channel: string, key: string) => {
      if (channel === CHANNEL) for (const wake of this.watchers.get(key) ?? []) wake();
    });
    await subscriber.subscribe(CHANNEL);
  }

  /** Adds a piece of attempt `epoch`'s output. The caller has checked the lease. */
  async append(ref: LiveLogRef, epoch: number, text: string): Promise<void> {
    const key = keys.liveLog(ref.jobId, ref.step, ref.task);
    await this.redis
      .pipeline()
      .xadd(key, 'MAXLEN', '~', ENTRIES_MAX, '*', 'epoch', epoch, 'text', text)
      .expire(key, TTL_SECONDS)
      .publish(CHANNEL, key)
      .exec();
  }

  /** Output of attempt `epoch` behind `after` ('0' for all). */
  async read(ref: LiveLogRef, epoch: number, after: string): Promise<LiveLogPage> {
    const key = keys.liveLog(ref.jobId, ref.step, ref.task);
    const entries = await this.redis.xrange(key, after === '0' ? '-' : `(${after}`, '+');
    let text = '';
    for (const [, fields] of entries) {
      if (Number(fields[1]) === epoch) text += fields[3] ?? '';
    }
    return { text, last: entries.at(-1)?.[0] ?? after };
  }

  /** Resolves when more output may be there, at the latest when `signal` aborts. */
  changed(ref: LiveLogRef, signal: AbortSignal): Promise<void> {
    const key = keys.liveLog(ref.jobId, ref.step, ref.task);
    return new Promise((resolve) => {
      const watchers = this.watchers.get(key) ?? new Set();
      this.watchers.set(key, watchers);
      const done = () => {
        watchers.delete(done);
        if (watchers.size === 0) this.watchers.delete(key);
        signal.removeEventListener('abort', done);
        resolve();
      };
      watchers.add(done);
      signal.addEventListener('abort', done, { once: true });
      if (signal.aborted) done();
    });
  }
}
