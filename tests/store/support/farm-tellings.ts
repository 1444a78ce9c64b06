import type { ResultWords } from '@karst/orchestrator/store/span-store.ts';
import type { NodeId } from '@karst/shared/protocol/ids.ts';
import fc from 'fast-check';
import type { ModelResult } from './model-state.ts';

const code = fc.constantFrom<ModelResult['code']>(
  ...([
    'b',
    'b',
    'b',
    'b',
    's',
    's',
    't',
    'ta',
    'ta',
    'n',
    'na',
    'f',
    'wa',
    'x',
    'r',
    'r',
  ] as const),
);

/** What a node says of one lease. */
export interface Telling {
  which: number;
  /** Tasks of each result, and how they ended. */
  parts: { code: ModelResult['code']; tasks: number }[];
  /** Begins that many tasks after the lease's first one. */
  from: number;
  fault: 'none' | 'epoch' | 'node';
}

/** What a node might say of a lease. */
export const telling: fc.Arbitrary<Telling> = fc.record({
  which: fc.nat(30),
  parts: fc.array(fc.record({ code, tasks: fc.integer({ min: 1, max: 3 }) }), { maxLength: 4 }),
  from: fc.constantFrom(0, 0, 0, 0, 1, 2),
  fault: fc.constantFrom('none', 'none', 'none', 'none', 'none', 'none', 'epoch', 'node'),
});

/** As its lease of tasks `first` to `last` has it. */
export function resultsOf(
  { parts, from }: Telling,
  { first, last }: { first: number; last: number },
  isChunk: boolean,
): ModelResult[] {
  const results: ModelResult[] = [];
  let next = first + from;
  for (const { code, tasks } of parts) {
    const isWhole = code === 'r' || (isChunk && tasks < 3);
    const end = isWhole ? last : code === 'b' ? next + tasks - 1 : next;
    results.push({ code, first: next, last: Math.max(end, next) });
    next = Math.max(end, next) + 1;
  }
  return results;
}

/** Results as the report service packs them, so that they can be read back. */
export function wordsOf(
  results: readonly ModelResult[],
  nodeId: NodeId,
  epoch: number,
): ResultWords[] {
  return results.map(({ code, first, last }) => ({
    code,
    first,
    last,
    runMs: 1,
    record:
      code === 'b'
        ? `${first} ${last} ${epoch} ${nodeId} 1 2`
        : JSON.stringify({ e: epoch, n: nodeId, o: code === 's' ? 'succeeded' : 'failed' }),
    outputs: '',
    outputsCount: 0,
  }));
}
