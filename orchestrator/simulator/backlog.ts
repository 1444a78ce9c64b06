import type { SimStep } from './sim-step.ts';

interface Standing {
  /** Its steps with tasks to grant. */
  steps: number;
  /** Its own caps that are full. */
  closedCaps: number;
}

/** Which studios have something to wait for. */
export class Backlog {
  private readonly standings = new Map<string, Standing>();
  private readonly told: (studio: string, isBacklogged: boolean) => void;

  /** `told` of every change. */
  constructor(told: (studio: string, isBacklogged: boolean) => void) {
    this.told = told;
  }

  step({ studio }: SimStep, change: 1 | -1): void {
    this.move(studio, (standing) => {
      standing.steps += change;
    });
  }

  cap(studio: string, change: 1 | -1): void {
    this.move(studio, (standing) => {
      standing.closedCaps += change;
    });
  }

  private move(studio: string, change: (standing: Standing) => void): void {
    let standing = this.standings.get(studio);
    if (standing === undefined) {
      standing = { steps: 0, closedCaps: 0 };
      this.standings.set(studio, standing);
    }
    const before = isBacklogged(standing);
    change(standing);
    const after = isBacklogged(standing);
    if (before !== after) this.told(studio, after);
  }
}

const isBacklogged = ({ steps, closedCaps }: Standing): boolean => steps > 0 && closedCaps === 0;
