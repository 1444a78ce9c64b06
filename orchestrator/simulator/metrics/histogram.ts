const BUCKETS_PER_OCTAVE = 64;
const UNIT_MS = 1000;

/**
 * Times in buckets that grow by 1.09 %: bounded memory for millions of values, quantiles exact to
 * that. Mean and maximum are exact.
 */
export class Histogram {
  private readonly buckets: number[] = [];
  private sumMs = 0;
  maxMs = 0;
  count = 0;

  add(ms: number): void {
    const bucket = Math.floor(Math.log2(1 + ms / UNIT_MS) * BUCKETS_PER_OCTAVE);
    while (this.buckets.length <= bucket) this.buckets.push(0);
    this.buckets[bucket] = (this.buckets[bucket] ?? 0) + 1;
    this.count++;
    this.sumMs += ms;
    if (ms > this.maxMs) this.maxMs = ms;
  }

  get meanMs(): number {
    return this.count === 0 ? 0 : this.sumMs / this.count;
  }

  /** The least value, ms, that a part `q` (0 to 1) of all is not above; 0 when there is none. */
  quantileMs(q: number): number {
    const wanted = q * this.count;
    let passed = 0;
    for (const [bucket, count] of this.buckets.entries()) {
      passed += count;
      if (count > 0 && passed >= wanted) return Math.min(floorMs(bucket), this.maxMs);
    }
    return 0;
  }

  /** Points of the cumulative distribution: a value, ms, and the part of all that is at most it. */
  cumulative(): { ms: number; part: number }[] {
    let passed = 0;
    return this.buckets.flatMap((count, bucket) => {
      passed += count;
      return count === 0 ? [] : [{ ms: floorMs(bucket), part: passed / this.count }];
    });
  }
}

const floorMs = (bucket: number): number => (2 ** (bucket / BUCKETS_PER_OCTAVE) - 1) * UNIT_MS;
