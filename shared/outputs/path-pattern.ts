import { err, ok, type Result } from '../result.ts';

/** Part of one segment of a pattern. `frame`: where the frame's number stands, in so many digits. */
type Piece =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'any' }
  | { readonly kind: 'one' }
  | { readonly kind: 'set'; readonly not: boolean; readonly ranges: readonly [string, string][] }
  | { readonly kind: 'frame'; readonly digits: number };

/** null: `**`, any number of segments. */
type Segment = readonly Piece[] | null;

/** A pattern of places in a job's file tree: `renders/**\/beauty_[0-9]?.*`. */
export interface PathPattern {
  readonly segments: readonly Segment[];
}

const special = /[*?[#]/g;

/** Text that a pattern takes as it is. */
export const plainPattern = (text: string): string => text.replace(special, '[$&]');

/**
 * Reads a pattern: `*` any characters but '/', `?` one, `[a-z]` and `[!a-z]` one of a set, `**` as a
 * whole segment any number of them, `####` the number of a frame (at most once); anything special
 * stands for itself in brackets. Every segment must be one that a path may have. Errors in words.
 */
export function parsePattern(text: string): Result<PathPattern, string> {
  const segments: Segment[] = [];
  for (const segment of text.split('/')) {
    if (segment === '' || segment === '.' || segment === '..') {
      return err("expected a relative path without empty, '.' or '..' segments");
    }
    if (segment === '**') {
      segments.push(null);
      continue;
    }
    if (segment.includes('**')) return err("expected '**' to stand alone between '/'");
    const pieces = parseSegment(segment);
    if (!pieces.ok) return pieces;
    segments.push(pieces.value);
  }
  if (segments.at(-1) === null) return err("expected the name of files behind '**', such as **/*");
  if (frames({ segments }).length > 1) {
    return err('expected one place for the frame number, such as ####');
  }
  return ok({ segments });
}

function parseSegment(segment: string): Result<Piece[], string> {
  const pieces: Piece[] = [];
  for (let at = 0; at < segment.length; ) {
    const character = segment[at];
    if (character === '[') {
      // A ']' right behind the opening is one of the set.
      const from = at + (segment[at + 1] === '!' ? 2 : 1);
      const end = segment.indexOf(']', from + 1);
      if (end === -1) return err("expected a ']' behind every '['");
      pieces.push({
        kind: 'set',
        not: segment[at + 1] === '!',
        ranges: rangesOf(segment.slice(from, end)),
      });
      at = end + 1;
      continue;
    }
    const run = /^(?:\*|\?|#+|[^*?[#]+)/.exec(segment.slice(at))?.[0] ?? '';
    if (character === '*') pieces.push({ kind: 'any' });
    else if (character === '?') pieces.push({ kind: 'one' });
    else if (character === '#') pieces.push({ kind: 'frame', digits: run.length });
    else pieces.push({ kind: 'text', text: run });
    at += run.length;
  }
  return ok(pieces);
}

function rangesOf(text: string): [string, string][] {
  const ranges: [string, string][] = [];
  const characters = [...text];
  for (let i = 0; i < characters.length; i++) {
    const from = characters[i] ?? '';
    const to = characters[i + 2];
    if (characters[i + 1] === '-' && to !== undefined) {
      ranges.push([from, to]);
      i += 2;
    } else ranges.push([from, from]);
  }
  return ranges;
}

const frames = ({ segments }: PathPattern) =>
  segments.flatMap((pieces) => pieces?.filter(({ kind }) => kind === 'frame') ?? []);

/** Whether the pattern has a place for a frame's number. */
export const hasFrame = (pattern: PathPattern): boolean => frames(pattern).length > 0;

/** The pattern with a frame's number in its place, padded with zeros; a sign goes in front of them. */
export function withFrame({ segments }: PathPattern, frame: bigint): PathPattern {
  const fill = (piece: Piece): Piece => {
    if (piece.kind !== 'frame') return piece;
    const digits = `${frame < 0n ? -frame : frame}`.padStart(piece.digits, '0');
    return { kind: 'text', text: frame < 0n ? `-${digits}` : digits };
  };
  return { segments: segments.map((pieces) => pieces?.map(fill) ?? null) };
}

/** The one path that a pattern without anything special stands for. */
export function onlyPath({ segments }: PathPattern): string | undefined {
  const names = segments.map((pieces) => (pieces === null ? undefined : plainName(pieces)));
  return names.includes(undefined) ? undefined : names.join('/');
}

/** One text of pieces that stand for themselves; of a set, only when it is one character. */
function plainName(pieces: readonly Piece[]): string | undefined {
  let name = '';
  for (const piece of pieces) {
    if (piece.kind === 'text') name += piece.text;
    else if (piece.kind === 'set' && isSingle(piece)) name += piece.ranges[0]?.[0] ?? '';
    else return undefined;
  }
  return name;
}

const isSingle = ({ not, ranges }: Extract<Piece, { kind: 'set' }>): boolean =>
  !not && ranges.length === 1 && ranges[0]?.[0] === ranges[0]?.[1];

/** The directory below which everything lies that the pattern matches; '' is the whole tree. */
export function rootOf({ segments }: PathPattern): string {
  const names: string[] = [];
  for (const pieces of segments.slice(0, -1)) {
    const name = pieces === null ? undefined : plainName(pieces);
    if (name === undefined) break;
    names.push(name);
  }
  return names.join('/');
}

/** Whether a path matches as a whole. Time is at most that of path times pattern. */
export function matchesPattern({ segments }: PathPattern, path: string): boolean {
  return matches<Segment, string>(
    segments,
    path.split('/'),
    (segment) => segment === null,
    (segment, name) => segment !== null && matchesName(segment, name),
  );
}

const matchesName = (pieces: readonly Piece[], name: string): boolean =>
  matches<Piece, string>(
    pieces.flatMap((piece): Piece[] =>
      piece.kind === 'text' ? [...piece.text].map((text) => ({ kind: 'text', text })) : [piece],
    ),
    [...name],
    ({ kind }) => kind === 'any' || kind === 'frame',
    (piece, character) => {
      if (piece.kind === 'text') return piece.text === character;
      if (piece.kind === 'one') return true;
      if (piece.kind !== 'set') return false;
      return piece.ranges.some(([from, to]) => from <= character && character <= to) !== piece.not;
    },
  );

/** Wildcards over any list: where one fails, only the last that takes many can take one more. */
function matches<P, T>(
  pattern: readonly P[],
  given: readonly T[],
  takesMany: (part: P) => boolean,
  takes: (part: P, one: T) => boolean,
): boolean {
  const isMany = (part: P | undefined) => part !== undefined && takesMany(part);
  let [p, g, many, from] = [0, 0, -1, 0];
  while (g < given.length) {
    const part = pattern[p];
    const one = given[g];
    if (isMany(part)) {
      many = p++;
      from = g;
    } else if (part !== undefined && one !== undefined && takes(part, one)) {
      p++;
      g++;
    } else if (many >= 0) {
      p = many + 1;
      g = ++from;
    } else return false;
  }
  while (isMany(pattern[p])) p++;
  return p === pattern.length;
}
