import {
  CST,
  isAlias,
  isPair,
  isScalar,
  isSeq,
  isMap as isYamlMap,
  Lexer,
  LineCounter,
  type Node,
  parseDocument,
} from 'yaml';
import { err, ok, type Result } from '../result.ts';
import { findJsonProblem } from './json-syntax.ts';
import { type Problem, ProblemList, type RawProblem, withoutPlace } from './problem.ts';
import { nestingMax, type TemplateValue } from './template-value.ts';
import { convertYaml, followAlias } from './yaml-value.ts';

export const sourceBytesMax = 1024 * 1024;
const syntaxErrorsMax = 20;

/** A parsed document and the way back from a problem's path to its line and column. */
export interface SourceDocument {
  readonly value: TemplateValue;
  readonly place: (problem: RawProblem) => Problem;
}

/** Reads YAML 1.2 (core schema) or JSON text. Every failure carries a line and column. */
export function readSource(
  source: string,
  format: 'yaml' | 'json',
): Result<SourceDocument, Problem[]> {
  const tooLarge = sizeProblem(source);
  if (tooLarge !== undefined) return err([tooLarge]);
  const text = source.startsWith('\uFEFF') ? source.slice(1) : source;
  const lines = new LineCounter();
  const notJson = format === 'json' ? jsonProblem(text) : undefined;
  if (notJson !== undefined) return err([notJson]);
  const tooDeep = nestingProblem(text);
  if (tooDeep !== undefined) return err([tooDeep]);
  const document = parseDocument(text, {
    version: '1.2',
    schema: 'core',
    intAsBigInt: true,
    prettyErrors: false,
    resolveKnownTags: false,
    // The library compares every pair of keys; our own check is linear.
    uniqueKeys: false,
    lineCounter: lines,
  });
  const at = (offset: number) => {
    const { line, col } = lines.linePos(offset);
    return { line, column: col };
  };
  const tagWarnings = document.warnings.filter((each) => each.code === 'TAG_RESOLVE_FAILED');
  const all = [...document.errors, ...tagWarnings];
  // Where the stack ends the parser says so, and may once more on its way back: one is enough.
  const exhausted = all.find(({ code }) => code === 'RESOURCE_EXHAUSTION');
  const failures = all.filter(
    (failure) => failure.code !== 'RESOURCE_EXHAUSTION' || failure === exhausted,
  );
  if (failures.length > 0) {
    return err(
      failures.slice(0, syntaxErrorsMax).map((failure) => ({
        path: [],
        message: syntaxMessage(failure.code, failure.message, format),
        ...at(failure.pos[0]),
      })),
    );
  }
  const problems = new ProblemList();
  const converted = convertYaml(document.contents, problems);
  const place = (problem: RawProblem): Problem => {
    const offset = problem.sourceOffset ?? offsetOf(document.contents, problem, converted.anchors);
    return { ...withoutPlace(problem), ...at(offset) };
  };
  if (converted.value === undefined || problems.count > 0) return err(problems.raw().map(place));
  return ok({ value: converted.value, place });
}

function sizeProblem(source: string): Problem | undefined {
  const bytes =
    source.length * 3 <= sourceBytesMax ? 0 : new TextEncoder().encode(source).byteLength;
  if (bytes <= sourceBytesMax) return undefined;
  const expected = `at most ${sourceBytesMax} bytes (1 MiB)`;
  const found = `${bytes} bytes`;
  return { path: [], message: `expected ${expected} of template, found ${found}`, expected, found };
}

function jsonProblem(text: string): Problem | undefined {
  const problem = findJsonProblem(text);
  if (problem === undefined) return undefined;
  return {
    path: [],
    message: `the template is not valid JSON: ${problem.message}`,
    ...placeOf(text, problem.offset),
  };
}

function placeOf(text: string, offset: number): { line: number; column: number } {
  const before = text.slice(0, offset).split('\n');
  return { line: before.length, column: (before.at(-1)?.length ?? 0) + 1 };
}

/**
 * Refuses absurd nesting from the token stream: the parser recurses, and takes seconds over a
 * megabyte of brackets before its stack gives out.
 */
function nestingProblem(text: string): Problem | undefined {
  let flowDepth = 0;
  let lineDepth = 0;
  let offset = 0;
  for (const lexeme of new Lexer().lex(text)) {
    const type = CST.tokenType(lexeme);
    if (type === 'flow-map-start' || type === 'flow-seq-start') flowDepth++;
    else if (type === 'flow-map-end' || type === 'flow-seq-end') flowDepth--;
    else if (type === 'newline') lineDepth = 0;
    else if (type === 'seq-item-ind' || type === 'explicit-key-ind') lineDepth++;
    if (flowDepth > nestingMax || lineDepth > nestingMax) {
      return { path: [], message: tooDeepMessage, ...placeOf(text, offset) };
    }
    // Control lexemes (document, doc-mode, scalar, flow-error) take up no source text.
    if (type !== 'doc-mode' && type !== 'flow-error-end' && lexeme !== CST.SCALAR) {
      offset += lexeme.length;
    }
  }
  return undefined;
}

const tooDeepMessage = `the document nests more than ${nestingMax} levels deep`;

function syntaxMessage(code: string, message: string, format: 'yaml' | 'json'): string {
  if (code === 'RESOURCE_EXHAUSTION') return tooDeepMessage;
  if (code === 'TAG_RESOLVE_FAILED') return `YAML tags of one's own are not supported: ${message}`;
  if (code === 'MULTIPLE_DOCS') {
    return 'the file holds more than one YAML document; expected one template per file';
  }
  const first = message.split('\n')[0] ?? message;
  return `the template is not valid ${format === 'json' ? 'JSON' : 'YAML'}: ${first}`;
}

/** Source offset of the deepest node on the problem's path that exists. */
function offsetOf(
  root: Node | null,
  problem: RawProblem,
  anchors: ReadonlyMap<Node, Node>,
): number {
  let node: Node | null = root;
  let offset = root?.range?.[0] ?? 0;
  for (const [index, part] of problem.path.entries()) {
    node = followAlias(node, anchors);
    const last = index === problem.path.length - 1;
    let next: unknown;
    if (isYamlMap(node)) {
      const pair = node.items.find((item) => isScalar(item.key) && item.key.value === part);
      if (!isPair(pair)) return offset;
      const keyOffset = isScalar(pair.key) ? pair.key.range?.[0] : undefined;
      offset = keyOffset ?? offset;
      if (last && problem.atKey === true) return offset;
      next = pair.value;
    } else if (isSeq(node) && typeof part === 'number') {
      next = node.items[part];
    }
    if (!isNode(next)) return offset;
    node = next;
    offset = node.range?.[0] ?? offset;
  }
  return offset;
}

function isNode(value: unknown): value is Node {
  return isAlias(value) || isScalar(value) || isYamlMap(value) || isSeq(value);
}
