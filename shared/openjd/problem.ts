/** Where a problem is: keys of maps and 0-based indices of lists, from the document's root. */
export type ProblemPath = readonly (string | number)[];

/** One thing wrong with a document or with the values given to it. */
export interface Problem {
  /** From the root of the template; a parameter value's path starts with "parameters". */
  readonly path: ProblemPath;
  /** A plain English sentence that names what was found and what was expected. */
  readonly message: string;
  readonly found?: string;
  readonly expected?: string;
  /** 1-based, present when the problem was found in source text. */
  readonly line?: number;
  readonly column?: number;
}

/** What a problem carries before it is given a place in the source text. */
export interface RawProblem {
  readonly path: ProblemPath;
  readonly message: string;
  readonly found?: string;
  readonly expected?: string;
  /** True when the last path element is a key that is itself wrong, so that its key is pointed at. */
  readonly atKey?: boolean;
  /** Where in the source, when the path alone does not tell. 0-based. */
  readonly sourceOffset?: number;
}

type ProblemDetails = Omit<RawProblem, 'path' | 'message'>;

/** Collects every problem of a document, so that a user sees them all at once. */
export class ProblemList {
  readonly #problems: RawProblem[] = [];
  readonly #max: number;

  /** Keeps the first `max` problems: a broken generated file must not produce a gigabyte of text. */
  constructor(max = 200) {
    this.#max = max;
  }

  get count(): number {
    return this.#problems.length;
  }

  /** True once further problems are dropped. */
  get full(): boolean {
    return this.#problems.length >= this.#max;
  }

  add(path: ProblemPath, message: string, details: ProblemDetails = {}): void {
    if (!this.full) this.#problems.push({ path, message, ...details });
  }

  /** "expected X, found Y" at a path. */
  mismatch(path: ProblemPath, expected: string, found: string): void {
    this.add(path, `expected ${expected}, found ${found}`, { expected, found });
  }

  raw(): readonly RawProblem[] {
    return this.#problems;
  }

  /** The problems without places: for values that did not come from source text. */
  all(): Problem[] {
    return this.#problems.map(withoutPlace);
  }
}

/** Strips what only the source locator needs. */
export function withoutPlace({
  atKey: _key,
  sourceOffset: _offset,
  ...problem
}: RawProblem): Problem {
  return problem;
}

/** `steps[0].parameterSpace.combination`: a path as people read it. */
export function printPath(path: ProblemPath): string {
  let text = '';
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`;
    else text += text === '' ? part : `.${part}`;
  }
  return text === '' ? '(root)' : text;
}
