/** What a studio had and was owed until a moment, core-seconds. */
export interface ShareSample {
  /** All its leases cost so far. */
  used: number;
  /** The part of it while it was one of several studios that had tasks waiting. */
  served: number;
  /** What its weight entitled it to in that same time. */
  entitled: number;
}

class Standing {
  readonly weight: number;
  isBacklogged = false;
  /** Core-seconds a second that its leases cost now. */
  rate = 0;
  used = 0;
  served = 0;
  entitled = 0;
  usedUntilMs = 0;
  servedUntilMs = 0;
  entitledUntil = 0;

  constructor(weight: number) {
    this.weight = weight;
  }
}

/**
 * Who got what, against what their weights entitle them to. At any moment at which two studios or more
 * have tasks waiting, all that those studios' leases use is theirs by weight: each is entitled to its
 * weight's part. Summed over time, a studio's satisfaction is what it was served / what it was entitled
 * to. Constant time for each event: entitlement grows along a virtual time that is common to all.
 */
export class Fairness {
  private readonly standings = new Map<string, Standing>();
  private readonly weightOf: (studio: string) => number;
  private atMs = 0;
  /** Time at which several studios had tasks waiting, ms. */
  private contendedMs = 0;
  /** Core-seconds per unit of weight that such studios were entitled to so far. */
  private virtual = 0;
  private backlogged = 0;
  private weights = 0;
  private rates = 0;

  constructor(weightOf: (studio: string) => number) {
    this.weightOf = weightOf;
  }

  /** The studio's leases cost `change` core-seconds a second more than before. */
  rate(studio: string, change: number, nowMs: number): void {
    const standing = this.settled(studio, nowMs);
    standing.rate += change;
    if (standing.isBacklogged) this.rates += change;
  }

  backlog(studio: string, isBacklogged: boolean, nowMs: number): void {
    const standing = this.settled(studio, nowMs);
    if (standing.isBacklogged === isBacklogged) return;
    standing.isBacklogged = isBacklogged;
    const sign = isBacklogged ? 1 : -1;
    this.backlogged += sign;
    this.weights = this.backlogged === 0 ? 0 : this.weights + sign * standing.weight;
    this.rates = this.backlogged === 0 ? 0 : this.rates + sign * standing.rate;
  }

  sample(nowMs: number): Map<string, ShareSample> {
    const names = [...this.standings.keys()];
    return new Map(
      names.map((name) => {
        const { used, served, entitled } = this.settled(name, nowMs);
        return [name, { used, served, entitled }];
      }),
    );
  }

  private settled(studio: string, nowMs: number): Standing {
    this.advance(nowMs);
    let standing = this.standings.get(studio);
    if (standing === undefined) {
      standing = new Standing(this.weightOf(studio));
      this.standings.set(studio, standing);
    }
    standing.used += (standing.rate * (nowMs - standing.usedUntilMs)) / 1000;
    if (standing.isBacklogged) {
      standing.served += (standing.rate * (this.contendedMs - standing.servedUntilMs)) / 1000;
      standing.entitled += standing.weight * (this.virtual - standing.entitledUntil);
    }
    standing.usedUntilMs = nowMs;
    standing.servedUntilMs = this.contendedMs;
    standing.entitledUntil = this.virtual;
    return standing;
  }

  private advance(nowMs: number): void {
    const ms = nowMs - this.atMs;
    this.atMs = nowMs;
    if (this.backlogged < 2 || ms === 0) return;
    this.contendedMs += ms;
    this.virtual += (this.rates * ms) / 1000 / this.weights;
  }
}

/** Jain's index of how even some values are: 1 all alike, 1/n one has all (Jain, Chiu, Hawe, 1984). */
export function jainIndex(values: readonly number[]): number | undefined {
  const sum = values.reduce((all, value) => all + value, 0);
  const squares = values.reduce((all, value) => all + value * value, 0);
  return squares === 0 ? undefined : (sum * sum) / (values.length * squares);
}

/** Satisfaction of each studio between two samples, of those that were entitled to anything. */
export function satisfactions(
  from: ReadonlyMap<string, ShareSample>,
  to: ReadonlyMap<string, ShareSample>,
): Map<string, number> {
  const found = new Map<string, number>();
  for (const [studio, { served, entitled }] of to) {
    const before = from.get(studio);
    const owed = entitled - (before?.entitled ?? 0);
    if (owed > 0) found.set(studio, (served - (before?.served ?? 0)) / owed);
  }
  return found;
}
