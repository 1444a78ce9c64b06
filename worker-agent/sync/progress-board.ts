import type { Clock } from '@karst/shared/clock.ts';
import type { LeaseId } from '@karst/shared/protocol/ids.ts';
import type { SyncRequestInput } from '@karst/shared/protocol/node.ts';
import type { TaskProgress } from '../session/task-output.ts';

type Entry = NonNullable<SyncRequestInput['progress']>[number];

const everyMs = 1000;

/** The newest progress of running tasks; told at most once a second. */
export class ProgressBoard {
  readonly #clock: Clock;
  readonly #news = new Map<LeaseId, Entry>();
  #toldAtMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Returns in how many ms it may be told. */
  set(leaseId: LeaseId, task: number, { percent, status, silentSeconds }: TaskProgress): number {
    this.#news.set(leaseId, {
      leaseId,
      task,
      ...(percent === undefined ? {} : { percent }),
      ...(status === undefined ? {} : { status }),
      ...(silentSeconds === undefined ? {} : { silentSeconds }),
    });
    return Math.max(0, this.#toldAtMs + everyMs - this.#clock.monotonicMs());
  }

  /** What is to be told now: nothing when that was less than a second ago. */
  take(): Entry[] {
    if (this.#news.size === 0) return [];
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#toldAtMs < everyMs) return [];
    this.#toldAtMs = nowMs;
    const entries = [...this.#news.values()];
    this.#news.clear();
    return entries;
  }

  forget(leaseId: LeaseId): void {
    this.#news.delete(leaseId);
  }
}
