import type { Verdict } from '../store/gang-store.ts';
import type { NodeStanding } from '../store/node-store.ts';

type Look = Pick<NodeStanding, 'takesWork' | 'syncedAtMs' | 'bootedAtMs' | 'preempts'>;

/**
 * Whose fault a failure in a gang is. `own`: nothing happened to the others. `others`: one was lost, held
 * back or preempted, and took it along. `open`: a node has not called since, and may be lost.
 * `lookOf`: the nodes as they are now; undefined: gone. `livenessMs`: who calls no more is lost by then.
 */
export function faultOf(
  { atMs, others }: Verdict,
  lookOf: (nodeId: Verdict['others'][number]['nodeId']) => Look | undefined,
  nowMs: number,
  livenessMs: number,
): 'own' | 'others' | 'open' {
  let isOpen = false;
  for (const { nodeId, leaseId, grantedAtMs } of others) {
    const node = lookOf(nodeId);
    const isPreempted = node?.preempts.some(({ victims }) =>
      victims.some((victim) => victim.leaseId === leaseId),
    );
    if (node === undefined || !node.takesWork || isPreempted === true) return 'others';
    // Its agent began anew, and whatever it ran before ended with the former one.
    if (node.bootedAtMs > grantedAtMs) return 'others';
    if (node.syncedAtMs <= atMs) isOpen = true;
  }
  return isOpen && nowMs < atMs + livenessMs ? 'open' : 'own';
}
