import { suggestion } from './near-miss.ts';
import type { ProblemPath } from './problem.ts';
import type { Validation } from './reader.ts';
import { isList, isMap, type TemplateValue } from './template-value.ts';
import { quote } from './text-rules.ts';

interface Edge {
  readonly target: string;
  readonly path: ProblemPath;
}

/**
 * Every dependency names another step, once, and no chain of them leads back to its start.
 * Works on raw values, so that it still speaks when something else in a step is wrong.
 */
export function checkDependencies(
  validation: Validation,
  steps: readonly TemplateValue[],
  path: ProblemPath,
): void {
  const { problems } = validation;
  const names = steps.map((step) => (isMap(step) ? step.get('name') : undefined));
  const known = new Set(names.filter((name) => typeof name === 'string'));
  const allNamed = names.every((name) => typeof name === 'string');
  const graph = new Map<string, Edge[]>();
  for (const [index, step] of steps.entries()) {
    const name = names[index];
    const edges = edgesOf(step, [...path, index]);
    const kept: Edge[] = [];
    const seen = new Set<string>();
    for (const { target, path: at } of edges) {
      if (target === name) {
        problems.add(at, `step ${quote(target)} depends on itself; expected another step`, {
          found: target,
          expected: 'the name of another step',
        });
      } else if (seen.has(target)) {
        problems.add(at, `step ${quote(target)} is named twice; expected each dependency once`, {
          found: target,
          expected: 'each dependency once',
        });
      } else if (known.has(target)) {
        kept.push({ target, path: at });
      } else if (allNamed) {
        problems.add(at, `there is no step ${quote(target)}${suggestion(target, known)}`, {
          found: target,
          expected: 'the name of another step',
        });
      }
      seen.add(target);
    }
    if (typeof name === 'string' && !graph.has(name)) graph.set(name, kept);
  }
  reportCycles(validation, graph);
}

function edgesOf(step: TemplateValue, path: ProblemPath): Edge[] {
  const dependencies = isMap(step) ? step.get('dependencies') : undefined;
  if (dependencies === undefined || !isList(dependencies)) return [];
  const edges: Edge[] = [];
  for (const [index, item] of dependencies.entries()) {
    const target = isMap(item) ? item.get('dependsOn') : undefined;
    if (typeof target !== 'string') continue;
    edges.push({ target, path: [...path, 'dependencies', index, 'dependsOn'] });
  }
  return edges;
}

/** Depth-first without recursion: chains of steps may be as long as the file allows. */
function reportCycles({ problems }: Validation, graph: ReadonlyMap<string, readonly Edge[]>): void {
  const done = new Set<string>();
  for (const root of graph.keys()) {
    if (done.has(root)) continue;
    const trail: { name: string; next: number }[] = [{ name: root, next: 0 }];
    const onTrail = new Set([root]);
    while (trail.length > 0) {
      const top = trail[trail.length - 1];
      if (top === undefined) break;
      const edge = graph.get(top.name)?.[top.next];
      top.next++;
      if (edge === undefined) {
        done.add(top.name);
        onTrail.delete(top.name);
        trail.pop();
      } else if (onTrail.has(edge.target)) {
        const start = trail.findIndex(({ name }) => name === edge.target);
        const cycle = [...trail.slice(start).map(({ name }) => name), edge.target].map(quote);
        const shown = cycle.length > 20 ? [...cycle.slice(0, 10), '…', ...cycle.slice(-9)] : cycle;
        problems.add(edge.path, `steps depend on each other in a circle: ${shown.join(' -> ')}`, {
          found: 'a cycle',
          expected: 'dependencies that end somewhere',
        });
      } else if (!done.has(edge.target)) {
        trail.push({ name: edge.target, next: 0 });
        onTrail.add(edge.target);
      }
    }
  }
}
