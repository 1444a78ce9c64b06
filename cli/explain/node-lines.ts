import type { NodeExplanation } from '@karst/shared/protocol/explain.ts';
import { count } from '../terminal/text.ts';

/** Why a node idles, as lines for people. */
export function nodeExplanationLines(node: NodeExplanation): string[] {
  const { nodeId, name, state, leaseCount, slots, summary, holds, waiting, leftOut } = node;
  const lines = [
    `Node ${name} (${nodeId}) is ${state}, ${leaseCount} of ${count(slots, 'slot')} in use.`,
    summary,
    ...holds.filter((hold) => !summary.startsWith(hold)),
  ];
  if (waiting.length > 0) lines.push('', 'What waits for nodes:');
  for (const { wants, studios, steps, tasks, text } of waiting) {
    const whose = `${count(tasks, 'task')} in ${count(steps, 'step')} of ${studios.join(', ')}`;
    lines.push(`  - ${wants} (${whose}): ${text}`);
  }
  if (leftOut > 0) lines.push(`  and ${count(leftOut, 'kind')} more`);
  return lines;
}
