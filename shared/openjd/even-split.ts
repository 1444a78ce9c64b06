/** How `length` values are spread over chunks of at most `taskCount`: sizes differ by one at most. */
export interface EvenSplit {
  readonly chunkCount: bigint;
  readonly base: bigint;
  /** How many chunks have one more than `base`; they are spread evenly over the chunks. */
  readonly larger: bigint;
}

export function splitEvenly(length: bigint, taskCount: bigint): EvenSplit {
  const chunkCount = (length + taskCount - 1n) / taskCount;
  const base = chunkCount === 0n ? 0n : length / chunkCount;
  return { chunkCount, base, larger: length - base * chunkCount };
}

/** How many values come before chunk `index`; of index = chunkCount, all of them. */
export function chunkStart({ chunkCount, base, larger }: EvenSplit, index: bigint): bigint {
  if (chunkCount === 0n) return 0n;
  return index * base + (index * larger + chunkCount - 1n) / chunkCount;
}

/** Which chunk holds the value at `position`. */
export function chunkAtPosition(split: EvenSplit, position: bigint): bigint {
  let low = 0n;
  let high = split.chunkCount - 1n;
  while (low < high) {
    const middle = (low + high + 1n) / 2n;
    if (chunkStart(split, middle) <= position) low = middle;
    else high = middle - 1n;
  }
  return low;
}
