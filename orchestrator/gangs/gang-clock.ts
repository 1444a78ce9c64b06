import { sleep } from '@karst/shared/clock.ts';

/** When gangs are looked at: as one begins to wait, and then as often as the pass says. */
export class GangClock {
  private readonly due: () => void;
  private isNews = false;
  private armed: AbortController | undefined;
  private closed = false;

  constructor(due: () => void) {
    this.due = due;
  }

  /** A gang waits that did not before. */
  noticed(): void {
    this.isNews = true;
    this.due();
  }

  /** Whether one was noticed since this was asked last. */
  takeNews(): boolean {
    const { isNews } = this;
    this.isNews = false;
    return isNews;
  }

  /** Calls when `ms` have passed, unless told otherwise before. */
  again(ms: number): void {
    this.armed?.abort();
    if (this.closed) return;
    const stop = new AbortController();
    this.armed = stop;
    sleep(ms, stop.signal).then(
      () => this.due(),
      () => undefined,
    );
  }

  close(): void {
    this.closed = true;
    this.armed?.abort();
  }
}
