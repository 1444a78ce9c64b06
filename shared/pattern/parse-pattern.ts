import { err, ok, type Result } from '../result.ts';

/** Inclusive ranges of UTF-16 code units. */
export type Ranges = readonly (readonly [from: number, to: number])[];

export type PatternNode =
  | { kind: 'set'; ranges: Ranges }
  | { kind: 'start' }
  | { kind: 'end' }
  | { kind: 'sequence'; parts: PatternNode[] }
  | { kind: 'either'; options: PatternNode[] }
  | { kind: 'repeat'; of: PatternNode; min: number; max: number };

/** What is wrong with a pattern, and where: `at` counts UTF-16 code units from 0. */
export interface PatternProblem {
  at: number;
  message: string;
}

const LAST = 0xffff;
const REPEATS_MAX = 100;
const DEPTH_MAX = 20;

const code = (character: string) => character.charCodeAt(0);
const digit: Ranges = [[code('0'), code('9')]];
const word: Ranges = [
  [code('a'), code('z')],
  [code('A'), code('Z')],
  [code('_'), code('_')],
  ...digit,
];
const space: Ranges = [
  [9, 13],
  [32, 32],
  [160, 160],
];
const controls: Readonly<Record<string, number>> = { t: 9, n: 10, v: 11, f: 12, r: 13, 0: 0 };

function complement(ranges: Ranges): Ranges {
  const out: [number, number][] = [];
  let next = 0;
  for (const [from, to] of [...ranges].sort((a, b) => a[0] - b[0])) {
    if (from > next) out.push([next, from - 1]);
    next = Math.max(next, to + 1);
  }
  if (next <= LAST) out.push([next, LAST]);
  return out;
}

const classes: Readonly<Record<string, Ranges>> = {
  d: digit,
  D: complement(digit),
  w: word,
  W: complement(word),
  s: space,
  S: complement(space),
};

/** Letters of ASCII in both cases. */
function bothCases(ranges: Ranges): Ranges {
  const out = [...ranges];
  for (const [from, to] of ranges) {
    for (const [first, last, shift] of [
      [code('a'), code('z'), -32],
      [code('A'), code('Z'), 32],
    ] as const) {
      const low = Math.max(from, first);
      const high = Math.min(to, last);
      if (low <= high) out.push([low + shift, high + shift]);
    }
  }
  return out;
}

class Malformed extends Error {
  readonly at: number;
  constructor(at: number, message: string) {
    super(message);
    this.at = at;
  }
}

class Parser {
  private at = 0;
  private depth = 0;
  private readonly text: string;
  private readonly ignoresCase: boolean;

  constructor(text: string) {
    this.text = text;
    this.ignoresCase = text.startsWith('(?i)');
    if (this.ignoresCase) this.at = 4;
  }

  parse(): PatternNode {
    const node = this.either();
    if (this.at < this.text.length) throw this.wrong('")" closes nothing');
    return node;
  }

  private wrong(message: string, at = this.at): Malformed {
    return new Malformed(at, message);
  }

  private peek(): string {
    return this.text.charAt(this.at);
  }

  private take(): string {
    const character = this.text.charAt(this.at);
    this.at += 1;
    return character;
  }

  private either(): PatternNode {
    const options = [this.sequence()];
    while (this.peek() === '|') {
      this.at += 1;
      options.push(this.sequence());
    }
    const [only] = options;
    return options.length === 1 && only !== undefined ? only : { kind: 'either', options };
  }

  private sequence(): PatternNode {
    const parts: PatternNode[] = [];
    while (this.at < this.text.length && this.peek() !== '|' && this.peek() !== ')') {
      parts.push(this.repeated(this.atom()));
    }
    return { kind: 'sequence', parts };
  }

  private repeated(of: PatternNode): PatternNode {
    const bounds = this.bounds();
    if (bounds === undefined) return of;
    if (of.kind === 'start' || of.kind === 'end') throw this.wrong('^ and $ can’t be repeated');
    // Lazy or greedy: whether a line matches is the same.
    if (this.peek() === '?') this.at += 1;
    if (this.bounds() !== undefined) throw this.wrong('one repetition directly after another');
    return { kind: 'repeat', of, ...bounds };
  }

  private bounds(): { min: number; max: number } | undefined {
    const character = this.peek();
    if (character === '*' || character === '+' || character === '?') {
      this.at += 1;
      const max = character === '?' ? 1 : Number.POSITIVE_INFINITY;
      return { min: character === '+' ? 1 : 0, max };
    }
    const counted = /^\{(\d+)(?:(,)(\d*))?\}/.exec(this.text.slice(this.at));
    if (counted === null) return undefined;
    const [whole, from = '', comma, to] = counted;
    const min = Number(from);
    const max = comma === undefined ? min : to ? Number(to) : Number.POSITIVE_INFINITY;
    if (max < min) throw this.wrong(`at least ${min} times and at most ${max} can’t be`);
    const most = Number.isFinite(max) ? max : min;
    if (most > REPEATS_MAX) throw this.wrong(`more than ${REPEATS_MAX} counted repetitions`);
    this.at += whole.length;
    return { min, max };
  }

  private atom(): PatternNode {
    const at = this.at;
    const character = this.take();
    switch (character) {
      case '(':
        return this.group(at);
      case '[':
        return this.set(this.bracket(at));
      case '.':
        return this.set(complement([[10, 10]]));
      case '^':
        return { kind: 'start' };
      case '$':
        return { kind: 'end' };
      case '*':
      case '+':
      case '?':
        throw this.wrong(`nothing to repeat before "${character}"`, at);
      case '\\':
        return this.set(this.escaped(at));
      default:
        return this.set([[code(character), code(character)]]);
    }
  }

  private set(ranges: Ranges): PatternNode {
    return { kind: 'set', ranges: this.ignoresCase ? bothCases(ranges) : ranges };
  }

  private group(at: number): PatternNode {
    if (this.peek() === '?') {
      if (!this.text.startsWith('?:', this.at)) {
        throw this.wrong('only plain groups ( ) and (?: ), and (?i) at the very start', at);
      }
      this.at += 2;
    }
    this.depth += 1;
    if (this.depth > DEPTH_MAX) throw this.wrong(`groups more than ${DEPTH_MAX} deep`, at);
    const node = this.either();
    if (this.take() !== ')') throw this.wrong('a group is not closed', at);
    this.depth -= 1;
    return node;
  }

  private escaped(at: number): Ranges {
    const character = this.take();
    const known = classes[character];
    if (known !== undefined) return known;
    const control = controls[character];
    if (control !== undefined) return [[control, control]];
    const hex = /^(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4}))/.exec(this.text.slice(this.at - 1));
    if (hex !== null) {
      this.at += hex[0].length - 1;
      const unit = Number.parseInt(hex[1] ?? hex[2] ?? '', 16);
      return [[unit, unit]];
    }
    if (character === '' || /[A-Za-z0-9]/.test(character)) {
      throw this.wrong(`\\${character} is not known (no back references, no \\b)`, at);
    }
    return [[code(character), code(character)]];
  }

  /** What stands between [ and ]. */
  private bracket(at: number): Ranges {
    const negated = this.peek() === '^';
    if (negated) this.at += 1;
    const ranges: (readonly [number, number])[] = [];
    while (this.peek() !== ']') {
      if (this.at >= this.text.length) throw this.wrong('a [ is not closed', at);
      const from = this.member();
      const [single] = from;
      const isRange = this.peek() === '-' && !['', ']'].includes(this.text.charAt(this.at + 1));
      if (!isRange || single === undefined) {
        ranges.push(...from);
        continue;
      }
      this.at += 1;
      const [end] = this.member();
      if (end === undefined || end[0] < single[0]) throw this.wrong('a range out of order', at);
      ranges.push([single[0], end[1]]);
    }
    this.at += 1;
    if (ranges.length === 0) throw this.wrong('[] holds nothing', at);
    return negated ? complement(this.ignoresCase ? bothCases(ranges) : ranges) : ranges;
  }

  private member(): Ranges {
    const at = this.at;
    const character = this.take();
    if (character === '\\') return this.escaped(at);
    return [[code(character), code(character)]];
  }
}

/**
 * Parses a regular expression of the kind that can be matched in linear time: characters, . [ ] \d \w \s
 * and their opposites, ( ) (?: ) | * + ? {m,n} ^ $, and (?i) at the start.
 */
export function parsePattern(text: string): Result<PatternNode, PatternProblem> {
  try {
    return ok(new Parser(text).parse());
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    return err({ at: error.at, message: error.message });
  }
}
