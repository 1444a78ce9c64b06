import { err, ok, type Result } from '../result.ts';
import {
  type PatternNode,
  type PatternProblem,
  parsePattern,
  type Ranges,
} from './parse-pattern.ts';

type Instruction =
  | { op: 'set'; ranges: Ranges }
  | { op: 'split'; to: readonly number[] }
  | { op: 'start' }
  | { op: 'end' }
  | { op: 'match' };

/** Longer lines are looked at up to here, UTF-16 code units. */
export const LINE_UNITS_MAX = 4096;
const INSTRUCTIONS_MAX = 2000;
/** States kept; more are forgotten and made again. */
const STATES_MAX = 1000;

class TooLarge extends Error {}

function emit(program: Instruction[], instruction: Instruction): number {
  if (program.length >= INSTRUCTIONS_MAX) throw new TooLarge();
  return program.push(instruction) - 1;
}

/** Appends what matches `node` and then goes on behind it. */
function write(program: Instruction[], node: PatternNode): void {
  switch (node.kind) {
    case 'set':
      emit(program, { op: 'set', ranges: node.ranges });
      return;
    case 'start':
    case 'end':
      emit(program, { op: node.kind });
      return;
    case 'sequence':
      for (const part of node.parts) write(program, part);
      return;
    case 'either':
      writeEither(program, node.options);
      return;
    case 'repeat':
      writeRepeat(program, node);
  }
}

function writeEither(program: Instruction[], options: readonly PatternNode[]): void {
  const starts: number[] = [];
  emit(program, { op: 'split', to: starts });
  const ends: number[][] = [];
  for (const option of options) {
    starts.push(program.length);
    write(program, option);
    const to: number[] = [];
    emit(program, { op: 'split', to });
    ends.push(to);
  }
  for (const to of ends) to.push(program.length);
}

function writeRepeat(
  program: Instruction[],
  { of, min, max }: Extract<PatternNode, { kind: 'repeat' }>,
): void {
  for (let n = 0; n < min; n++) write(program, of);
  if (max === Number.POSITIVE_INFINITY) {
    const to: number[] = [];
    const loop = emit(program, { op: 'split', to });
    to.push(program.length);
    write(program, of);
    emit(program, { op: 'split', to: [loop] });
    to.push(program.length);
    return;
  }
  const skips: number[][] = [];
  for (let n = min; n < max; n++) {
    const to: number[] = [program.length + 1];
    emit(program, { op: 'split', to });
    skips.push(to);
    write(program, of);
  }
  for (const to of skips) to.push(program.length);
}

interface State {
  /** Places in the program where it may stand, before what needs no character. */
  kernel: readonly number[];
  /** Places that wait for a character. */
  waiting: readonly number[];
  matched: boolean;
  /** Whether it matches if the line ends here. */
  matchedAtEnd: boolean;
  next: Map<number, State>;
}

/**
 * A regular expression that is looked for in a line. Every state it may be in is followed at once
 * (Thompson, 1968), and states are kept: the time is linear in the line whatever the pattern.
 */
export class LinePattern {
  private readonly program: readonly Instruction[];
  private readonly states = new Map<string, State>();
  private readonly first: State;

  constructor(program: readonly Instruction[]) {
    this.program = program;
    this.first = this.stateOf([0], true);
  }

  /** Whether the pattern occurs in the line's first LINE_UNITS_MAX characters. */
  occursIn(line: string): boolean {
    let state = this.first;
    const length = Math.min(line.length, LINE_UNITS_MAX);
    for (let at = 0; at < length; at++) {
      if (state.matched) return true;
      const unit = line.charCodeAt(at);
      state = state.next.get(unit) ?? this.step(state, unit);
    }
    return state.matched || (length === line.length && state.matchedAtEnd);
  }

  private step(state: State, unit: number): State {
    // It may begin anywhere.
    const kernel = new Set([0]);
    for (const place of state.waiting) {
      const instruction = this.program[place];
      if (instruction?.op === 'set' && holds(instruction.ranges, unit)) kernel.add(place + 1);
    }
    const sorted = [...kernel].sort((a, b) => a - b);
    const name = sorted.join();
    const known = this.states.get(name);
    const next = known ?? this.stateOf(sorted, false);
    if (known === undefined) {
      if (this.states.size >= STATES_MAX) this.forget();
      this.states.set(name, next);
    }
    state.next.set(unit, next);
    return next;
  }

  private forget(): void {
    for (const state of this.states.values()) state.next.clear();
    this.first.next.clear();
    this.states.clear();
  }

  private stateOf(kernel: readonly number[], atStart: boolean): State {
    const { waiting, matched } = this.follow(kernel, atStart, false);
    const matchedAtEnd = this.follow(kernel, atStart, true).matched;
    return { kernel, waiting, matched, matchedAtEnd, next: new Map() };
  }

  private follow(kernel: readonly number[], atStart: boolean, atEnd: boolean) {
    const seen = new Set<number>();
    const open = [...kernel];
    const waiting: number[] = [];
    let matched = false;
    for (let place = open.pop(); place !== undefined; place = open.pop()) {
      if (seen.has(place)) continue;
      seen.add(place);
      const instruction = this.program[place];
      if (instruction === undefined) continue;
      if (instruction.op === 'match') matched = true;
      else if (instruction.op === 'set') waiting.push(place);
      else if (instruction.op === 'split') open.push(...instruction.to);
      else if (instruction.op === 'start' ? atStart : atEnd) open.push(place + 1);
    }
    return { waiting, matched };
  }
}

const holds = (ranges: Ranges, unit: number): boolean =>
  ranges.some(([from, to]) => from <= unit && unit <= to);

/** Compiles a pattern (see parsePattern), or tells what is wrong with it. */
export function compileLinePattern(text: string): Result<LinePattern, PatternProblem> {
  const parsed = parsePattern(text);
  if (!parsed.ok) return parsed;
  const program: Instruction[] = [];
  try {
    write(program, parsed.value);
    emit(program, { op: 'match' });
  } catch (error) {
    if (!(error instanceof TooLarge)) throw error;
    return err({ at: 0, message: 'the pattern is too large: fewer or smaller repetitions' });
  }
  return ok(new LinePattern(program));
}
