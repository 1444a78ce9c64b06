import type { Clock } from '@karst/shared/clock.ts';
import type { Redis } from './connection.ts';

/** Since when Redis answers without a break: what is judged by silence must not count an outage. */
export class Reachability {
  private readonly clock: Clock;
  private since: number | undefined;

  constructor(redis: Redis, clock: Clock) {
    this.clock = clock;
    redis.on('ready', () => {
      this.since = this.clock.monotonicMs();
    });
    redis.on('close', () => {
      this.since = undefined;
    });
  }

  /** Monotonic ms; undefined while Redis is out of reach. */
  sinceMs(): number | undefined {
    return this.since;
  }
}
