import type { FullLimit } from '@karst/shared/protocol/explain.ts';
import type { Counter } from './counters.ts';

/** The farm's ledger as it stood at one moment. */
export interface LedgerView {
  count(counter: string): number;
  /** Undefined: no ceiling. */
  max(counter: string): number | undefined;
  /** Whether a counter of nodes counts this one. */
  countsOn(counter: string, nodeId: string): boolean;
}

/** Those of a lease's counters that have no room for one more, and one found `closed` by a grant. */
export function fullLimits(
  counters: readonly Counter[],
  ledger: LedgerView,
  closed?: string,
): { counter: string; limit: FullLimit }[] {
  return counters.flatMap(({ name, amount, host }) => {
    const max = ledger.max(name);
    const inUse = ledger.count(name);
    // Closed: one that asks for more than is left may have found it so; its fellows wait with it.
    if (max === undefined || (inUse + amount <= max && name !== closed)) return [];
    return [{ counter: name, limit: { name: limitText(name), inUse, max, perNode: host } }];
  });
}

const units: Readonly<Record<string, string>> = {
  tasks: 'running tasks',
  gpus: 'GPUs',
  nodes: 'nodes',
};

/** A counter's name (counters.ts) for people. */
export function limitText(counter: string): string {
  const [, kind = '', name = '', unit = ''] = /^([a-z]+):(.*?)(?::([a-z]+))?$/.exec(counter) ?? [];
  if (kind === 'limit') return `limit ${counter.slice('limit:'.length)}`;
  const owner =
    kind === 'project'
      ? `project ${name.slice(name.indexOf('/') + 1)}`
      : kind === 'studio'
        ? `studio ${name}`
        : 'the job';
  return `${units[unit] ?? unit} of ${owner}`;
}
