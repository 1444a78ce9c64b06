/** What the numbers of a picture are, apart from what they show. */
export interface PixelFacts {
  /** NaN or infinite, over all channels. */
  odd: number;
  /** Of every channel, 1 = white: the least and the greatest finite value. */
  ranges: readonly { least: number; greatest: number }[];
}

/** As ffmpeg writes raw pictures: `float` is planar, blue or gray last but alpha; `word` is RGBA. */
export type RawFormat = { kind: 'float'; channels: number } | { kind: 'word'; channels: 4 };

const WORD_MAX = 65_535;

/**
 * Looks at every value of a raw picture while it is decoded, without keeping it. `pixels` is width
 * times height.
 */
export class PixelCounts {
  private readonly format: RawFormat;
  private readonly pixels: number;
  private readonly least: Float64Array;
  private readonly greatest: Float64Array;
  private rest: Buffer = Buffer.alloc(0);
  private at = 0;
  private odd = 0;

  constructor(format: RawFormat, pixels: number) {
    this.format = format;
    this.pixels = pixels;
    this.least = new Float64Array(format.channels).fill(Number.POSITIVE_INFINITY);
    this.greatest = new Float64Array(format.channels).fill(Number.NEGATIVE_INFINITY);
  }

  add(chunk: Buffer): void {
    const bytes = this.rest.length === 0 ? chunk : Buffer.concat([this.rest, chunk]);
    const size = this.format.kind === 'float' ? 4 : 2;
    const whole = bytes.length - (bytes.length % size);
    // Typed arrays need their own alignment, which a chunk from a pipe rarely has.
    const copy = new Uint8Array(bytes.subarray(0, whole)).buffer;
    if (this.format.kind === 'float') this.addFloats(new Float32Array(copy));
    else this.addWords(new Uint16Array(copy));
    this.rest = bytes.subarray(whole);
  }

  private addFloats(values: Float32Array): void {
    for (let from = 0; from < values.length; ) {
      const channel = Math.min(Math.floor(this.at / this.pixels), this.format.channels - 1);
      const to = Math.min(values.length, from + (channel + 1) * this.pixels - this.at);
      if (to <= from) return;
      let least = this.least[channel] ?? 0;
      let greatest = this.greatest[channel] ?? 0;
      for (let i = from; i < to; i++) {
        const value = values[i] ?? 0;
        if (value - value !== 0) this.odd += 1;
        else {
          if (value < least) least = value;
          if (value > greatest) greatest = value;
        }
      }
      this.least[channel] = least;
      this.greatest[channel] = greatest;
      this.at += to - from;
      from = to;
    }
  }

  private addWords(values: Uint16Array): void {
    for (let i = 0; i < values.length; i++) {
      const channel = (this.at + i) & 3;
      const value = (values[i] ?? 0) / WORD_MAX;
      if (value < (this.least[channel] ?? 0)) this.least[channel] = value;
      if (value > (this.greatest[channel] ?? 0)) this.greatest[channel] = value;
    }
    this.at += values.length;
  }

  /** Undefined when the picture was not whole. */
  facts(): PixelFacts | undefined {
    if (this.at !== this.pixels * this.format.channels) return undefined;
    const ranges = Array.from(this.least, (least, channel) => ({
      least,
      greatest: this.greatest[channel] ?? least,
    }));
    return { odd: this.odd, ranges };
  }
}

/** One step of 8 bits: what compression makes of an even color. */
const STEP = 1 / 255;

/** What is suspicious of a picture's values; `alpha` is the channel that is no color. */
export function judgePixels(
  { odd, ranges }: PixelFacts,
  alpha: number | undefined,
): { reason: 'nan' | 'black' | 'uniform'; detail: string } | undefined {
  if (odd > 0) return { reason: 'nan', detail: `${odd} values are NaN or infinite` };
  const even = ranges.every(({ least, greatest }) => greatest - least <= STEP);
  const colors = ranges.filter((_, channel) => channel !== alpha);
  const matte = alpha === undefined ? undefined : ranges[alpha];
  const mattesNothing = matte === undefined || matte.greatest - matte.least <= STEP;
  if (mattesNothing && colors.every(({ greatest }) => greatest <= STEP)) {
    return { reason: 'black', detail: 'all of it is black' };
  }
  return even ? { reason: 'uniform', detail: 'all of it is of one color' } : undefined;
}
