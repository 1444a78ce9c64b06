/** Buckets to each doubling: neighbours are 19 % apart, so a quantile is at most 9 % off. */
const BUCKETS_PER_OCTAVE = 4;

/** The bucket of a run time, as store/lua/report_leases.lua counts it. */
export const bucketOf = (ms: number): number =>
  Math.floor((BUCKETS_PER_OCTAVE * Math.log(Math.max(ms, 1))) / Math.log(2));

/** The middle of a bucket, ms. */
const middleOf = (bucket: number): number => 2 ** ((bucket + 0.5) / BUCKETS_PER_OCTAVE);

/** How long tasks of a step took, as counts in buckets of equal ratio. */
export class TaskTimes {
  readonly count: number;
  private readonly buckets: readonly (readonly [number, number])[];

  /** `counts`: tasks by bucket. */
  constructor(counts: Iterable<readonly [number, number]>) {
    this.buckets = [...counts].filter(([, n]) => n > 0).sort(([a], [b]) => a - b);
    this.count = this.buckets.reduce((sum, [, n]) => sum + n, 0);
  }

  /** Run times in ms, each of one task. */
  static of(timesMs: readonly number[]): TaskTimes {
    const counts = new Map<number, number>();
    for (const ms of timesMs) counts.set(bucketOf(ms), (counts.get(bucketOf(ms)) ?? 0) + 1);
    return new TaskTimes(counts);
  }

  /** Mean, ms. Only of times there are. */
  get meanMs(): number {
    const sum = this.buckets.reduce((total, [bucket, n]) => total + n * middleOf(bucket), 0);
    return this.count === 0 ? 0 : sum / this.count;
  }

  /** What a share `q` (0 to 1) of the tasks stayed within, ms; 0 when there are none. */
  quantileMs(q: number): number {
    let left = q * this.count;
    for (const [bucket, n] of this.buckets) {
      left -= n;
      if (left <= 1e-9) return middleOf(bucket);
    }
    const last = this.buckets.at(-1);
    return last === undefined ? 0 : middleOf(last[0]);
  }
}
