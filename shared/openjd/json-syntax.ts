import { quote } from './text-rules.ts';

export interface JsonSyntaxProblem {
  readonly message: string;
  /** 0-based offset in the text. */
  readonly offset: number;
}

type Expectation = 'value' | 'value or ]' | 'key' | 'key or }' | 'colon' | 'comma' | 'end';

const scalarPattern =
  /"(?:[ !#-[\]-\uFFFF]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null/y;
const spacePattern = /[ \t\n\r]*/y;

/**
 * The first place where a text stops being JSON; undefined when it is JSON.
 * JSON.parse tells that something is wrong but, depending on the mistake, not where.
 */
export function findJsonProblem(text: string): JsonSyntaxProblem | undefined {
  const open: ('[' | '{')[] = [];
  let expectation: Expectation = 'value';
  let at = skipSpace(text, 0);
  while (at < text.length) {
    const step = advance(text, at, expectation, open);
    if (step === undefined) {
      const found = quote(text.slice(at, at + 20).split('\n')[0] ?? '');
      return { offset: at, message: `expected ${expectedText(expectation, open)}, found ${found}` };
    }
    expectation = step.next;
    at = skipSpace(text, step.at);
  }
  if (expectation === 'end') return undefined;
  const message = `expected ${expectedText(expectation, open)}, found the end of the text`;
  return { offset: text.length, message };
}

function skipSpace(text: string, at: number): number {
  spacePattern.lastIndex = at;
  return at + (spacePattern.exec(text)?.[0].length ?? 0);
}

function advance(
  text: string,
  at: number,
  expectation: Expectation,
  open: ('[' | '{')[],
): { next: Expectation; at: number } | undefined {
  const character = text[at];
  const after = (next: Expectation, end = at + 1) => ({ next, at: end });
  const closes =
    (character === ']' && open.at(-1) === '[' && ['comma', 'value or ]'].includes(expectation)) ||
    (character === '}' && open.at(-1) === '{' && ['comma', 'key or }'].includes(expectation));
  if (closes) {
    open.pop();
    return after(open.length === 0 ? 'end' : 'comma');
  }
  if (expectation === 'colon') return character === ':' ? after('value') : undefined;
  if (expectation === 'comma') {
    if (character !== ',') return undefined;
    return after(open.at(-1) === '{' ? 'key' : 'value');
  }
  if (expectation === 'end') return undefined;
  const isKey = expectation === 'key' || expectation === 'key or }';
  if (!isKey && (character === '[' || character === '{')) {
    open.push(character);
    return after(character === '[' ? 'value or ]' : 'key or }');
  }
  if (isKey && character !== '"') return undefined;
  scalarPattern.lastIndex = at;
  const scalar = scalarPattern.exec(text)?.[0];
  if (scalar === undefined) return undefined;
  return after(isKey ? 'colon' : open.length === 0 ? 'end' : 'comma', at + scalar.length);
}

function expectedText(expectation: Expectation, open: readonly ('[' | '{')[]): string {
  switch (expectation) {
    case 'value':
      return 'a value';
    case 'value or ]':
      return 'a value or "]"';
    case 'key':
      return 'a key in double quotes';
    case 'key or }':
      return 'a key in double quotes or "}"';
    case 'colon':
      return '":"';
    case 'comma':
      return open.at(-1) === '{' ? '"," or "}"' : '"," or "]"';
    case 'end':
      return 'nothing after the value';
  }
}
