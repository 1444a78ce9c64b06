/**
 * Randomness of the simulator: seeded, so that one seed is one history. Two kinds:
 * a stream of draws, for what is drawn once in a fixed order (a trace, a node's failures), and draws
 * by key, for what must not depend on the order in which a policy runs things (a task's time).
 */

/** MurmurHash3's finaliser: every bit of the answer depends on every bit of `x`. Unsigned 32 bits. */
function mix(x: number): number {
  let h = x >>> 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

const GOLDEN = 0x9e3779b9;

/** A key of its own for each pair; unsigned 32 bits. */
export const subkey = (key: number, part: number): number =>
  mix((Math.imul(key ^ GOLDEN, 0x85ebca77) + Math.imul(mix(part + GOLDEN), 0xc2b2ae3d)) >>> 0);

/** A key from text, FNV-1a and mixed. */
export function keyOf(text: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  return mix(h);
}

/** Uniform in (0, 1), the same for the same key and part. */
export const unitOf = (key: number, part: number): number =>
  (subkey(key, part) + 0.5) / 4_294_967_296;

/** Standard normal, the same for the same key and part (Box and Muller, 1958). */
export function normalOf(key: number, part: number): number {
  const radius = Math.sqrt(-2 * Math.log(unitOf(key, 2 * part)));
  return radius * Math.cos(2 * Math.PI * unitOf(key, 2 * part + 1));
}

/** mulberry32 (Tommy Ettinger, 2017; public domain). */
export class RandomStream {
  private state: number;

  constructor(seed: number) {
    this.state = mix(seed);
  }

  /** Uniform in (0, 1). */
  unit(): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let t = this.state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (((t ^ (t >>> 14)) >>> 0) + 0.5) / 4_294_967_296;
  }

  /** A key for draws by key, or a seed for a stream of its own. */
  key(): number {
    return Math.floor(this.unit() * 4_294_967_296);
  }

  normal(): number {
    return Math.sqrt(-2 * Math.log(this.unit())) * Math.cos(2 * Math.PI * this.unit());
  }

  lognormal(median: number, sigma: number): number {
    return median * Math.exp(sigma * this.normal());
  }

  exponential(mean: number): number {
    return -mean * Math.log(this.unit());
  }

  chance(percent: number): boolean {
    return this.unit() * 100 < percent;
  }
}
