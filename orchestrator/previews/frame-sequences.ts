/** Files whose paths differ in one number, by that number. */
export interface FrameSequence<T> {
  /** The path with one # for each digit of the number; two of a sequence never differ in it. */
  pattern: string;
  /** In ascending order of their numbers, two or more. */
  frames: readonly { number: number; item: T }[];
  /** The path another number would have. */
  pathOf(number: number): string;
}

/** Longer runs of digits are no frame numbers, but hashes and dates. */
const DIGITS = /\d{1,9}/g;

interface Numbered<T> {
  item: T;
  path: string;
  texts: string[];
  /** Between the texts: one fewer than these. */
  digits: string[];
}

/**
 * The sequences among files, and the files that are of none. Of several numbers that differ the one that
 * takes the most values counts, and the last among equals: f_0001_tile_2 is of a sequence for each tile
 * where there are more frames than tiles.
 */
export function frameSequences<T extends { path: string }>(
  items: readonly T[],
): { sequences: FrameSequence<T>[]; single: T[] } {
  const sequences: FrameSequence<T>[] = [];
  const single: T[] = [];
  const skeletons = Map.groupBy(items.map(split), ({ texts }) => texts.join('\0'));
  for (const alike of skeletons.values()) {
    const position = changingMost(alike);
    if (position === undefined) single.push(...alike.map(({ item }) => item));
    else {
      const others = ({ digits }: Numbered<T>) => digits.toSpliced(position, 1).join('\0');
      for (const files of Map.groupBy(alike, others).values()) {
        const made = sequence(files, position);
        if (made === undefined) single.push(...files.map(({ item }) => item));
        else sequences.push(made);
      }
    }
  }
  sequences.sort((a, b) => b.frames.length - a.frames.length || (a.pattern < b.pattern ? -1 : 1));
  return { sequences, single };
}

/** The number of a frame by its file's name: the last in it. */
export function frameNumber(path: string): number | undefined {
  const digits = (path.split('/').at(-1) ?? '').match(DIGITS)?.at(-1);
  return digits === undefined ? undefined : Number(digits);
}

function split<T extends { path: string }>(item: T): Numbered<T> {
  return {
    item,
    path: item.path,
    texts: item.path.split(DIGITS),
    digits: item.path.match(DIGITS) ?? [],
  };
}

/** Undefined where none differs. */
function changingMost<T>(alike: readonly Numbered<T>[]): number | undefined {
  let best: { position: number; values: number } | undefined;
  for (let position = 0; position < (alike[0]?.digits.length ?? 0); position++) {
    const values = new Set(alike.map(({ digits }) => digits[position])).size;
    if (values > 1 && values >= (best?.values ?? 0)) best = { position, values };
  }
  return best?.position;
}

function sequence<T>(
  files: readonly Numbered<T>[],
  position: number,
): FrameSequence<T> | undefined {
  const [one] = files;
  const byNumber = new Map(files.map((file) => [Number(file.digits[position]), file.item]));
  if (one === undefined || byNumber.size < 2) return undefined;
  const width = Math.min(...files.map(({ digits }) => digits[position]?.length ?? 1));
  const padded = (text: string) =>
    one.texts
      .map((part, i) => {
        if (i >= one.digits.length) return part;
        return `${part}${i === position ? text : one.digits[i]}`;
      })
      .join('');
  return {
    pattern: padded('#'.repeat(width)),
    frames: [...byNumber]
      .map(([number, item]) => ({ number, item }))
      .sort((a, b) => a.number - b.number),
    pathOf: (number) => padded(String(number).padStart(width, '0')),
  };
}
