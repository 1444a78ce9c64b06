import { isAlias, isMap, isScalar, isSeq, type Node } from 'yaml';
import type { ProblemList, ProblemPath } from './problem.ts';
import { describe, nestingMax, type TemplateValue } from './template-value.ts';

/** How many values aliases may add to a document: stops a few lines from meaning billions. */
const aliasedValuesMax = 100_000;

interface Converted {
  readonly value: TemplateValue;
  /** Values in it, aliases expanded. */
  readonly size: number;
  readonly depth: number;
}

interface Conversion {
  readonly problems: ProblemList;
  /** Anchor name -> the latest node with it, and its value once it is complete. */
  readonly named: Map<string, { node: Node; converted?: Converted }>;
  /** Alias node -> the node it stands for. */
  readonly anchors: Map<Node, Node>;
  aliasedValues: number;
  stopped: boolean;
}

/** Turns a parsed YAML tree into data, with our own checks for keys, aliases and numbers. */
export function convertYaml(
  contents: Node | null,
  problems: ProblemList,
): { value: TemplateValue | undefined; anchors: ReadonlyMap<Node, Node> } {
  const conversion: Conversion = {
    problems,
    named: new Map(),
    anchors: new Map(),
    aliasedValues: 0,
    stopped: false,
  };
  const converted = convertNode(contents, [], conversion);
  return { value: converted?.value, anchors: conversion.anchors };
}

/** The node an alias stands for; any other node is itself. */
export function followAlias(node: Node | null, anchors: ReadonlyMap<Node, Node>): Node | null {
  return node === null ? null : (anchors.get(node) ?? node);
}

function convertNode(
  node: unknown,
  path: ProblemPath,
  conversion: Conversion,
): Converted | undefined {
  if (conversion.stopped) return undefined;
  if (path.length > nestingMax) return stop(conversion, path, tooDeep);
  if (isAlias(node)) return convertAlias(node, node.source, path, conversion);
  if (!isMap(node) && !isSeq(node) && !isScalar(node)) return { value: null, size: 1, depth: 0 };
  const entry: { node: Node; converted?: Converted } = { node };
  if (node.anchor !== undefined) conversion.named.set(node.anchor, entry);
  const converted = isScalar(node)
    ? { value: scalarValue(node.value), size: 1, depth: 0 }
    : isMap(node)
      ? convertMap(node.items, path, conversion)
      : convertList(node.items, path, conversion);
  entry.converted = converted;
  return converted;
}

const tooDeep = `the document nests more than ${nestingMax} levels deep`;

function stop(conversion: Conversion, path: ProblemPath, message: string): undefined {
  if (!conversion.stopped) conversion.problems.add(path, message);
  conversion.stopped = true;
  return undefined;
}

function scalarValue(value: unknown): TemplateValue {
  if (typeof value === 'string' || typeof value === 'boolean') return value;
  if (typeof value === 'bigint' || typeof value === 'number') return value;
  return null;
}

function convertAlias(
  alias: Node,
  name: string,
  path: ProblemPath,
  conversion: Conversion,
): Converted | undefined {
  const target = conversion.named.get(name);
  if (target === undefined) {
    conversion.problems.add(path, `*${name} refers to no earlier &${name}`);
    return undefined;
  }
  conversion.anchors.set(alias, target.node);
  const { converted } = target;
  if (converted === undefined) {
    return stop(conversion, path, `*${name} refers to itself, directly or through another alias`);
  }
  conversion.aliasedValues += converted.size;
  if (conversion.aliasedValues > aliasedValuesMax) {
    return stop(
      conversion,
      path,
      `the document's aliases expand to more than ${aliasedValuesMax} values; write them out or use fewer`,
    );
  }
  if (path.length + converted.depth > nestingMax) return stop(conversion, path, tooDeep);
  return converted;
}

function convertMap(
  items: readonly { key: unknown; value: unknown }[],
  path: ProblemPath,
  conversion: Conversion,
): Converted {
  const map = new Map<string, TemplateValue>();
  let size = 1;
  let depth = 0;
  for (const { key, value } of items) {
    const name = isScalar(key) ? key.value : undefined;
    if (typeof name !== 'string') {
      const found = isScalar(key) ? describe(scalarValue(name)) : 'a list, map or alias';
      conversion.problems.mismatch(path, 'every key of a map to be text', found);
      continue;
    }
    const at = [...path, name];
    if (map.has(name)) {
      conversion.problems.add(at, `the key "${name}" is given twice; expected it once`, {
        found: `two keys "${name}"`,
        expected: 'each key once',
        sourceOffset: isScalar(key) ? (key.range?.[0] ?? 0) : 0,
      });
      continue;
    }
    const converted = convertNode(value, at, conversion);
    if (converted === undefined) continue;
    map.set(name, converted.value);
    size += converted.size;
    depth = Math.max(depth, converted.depth + 1);
  }
  return { value: map, size, depth };
}

function convertList(
  items: readonly unknown[],
  path: ProblemPath,
  conversion: Conversion,
): Converted {
  const list: TemplateValue[] = [];
  let size = 1;
  let depth = 0;
  for (const [index, item] of items.entries()) {
    const converted = convertNode(item, [...path, index], conversion);
    // A hole keeps later indices where the user sees them; the problem already says why.
    list.push(converted?.value ?? null);
    size += converted?.size ?? 1;
    depth = Math.max(depth, (converted?.depth ?? 0) + 1);
  }
  return { value: list, size, depth };
}
