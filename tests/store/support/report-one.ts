import type { LeaseRef } from '@karst/orchestrator/store/keys.ts';
import type { ResultWords, SpanStore } from '@karst/orchestrator/store/span-store.ts';
import type { NodeId } from '@karst/shared/protocol/ids.ts';

/** A report of one lease alone. */
export async function reportOne(
  spans: SpanStore,
  nodeId: NodeId,
  lease: LeaseRef,
  nowMs: number,
  results: readonly ResultWords[],
) {
  const reported = await spans.report(nodeId, lease, nowMs, [{ ...lease, results }]);
  const [told] = reported.leases;
  if (told === undefined) throw new Error('nothing was told of the lease');
  return { ...told, effects: reported.effects };
}
