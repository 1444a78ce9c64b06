import type { Capacity } from '../farm.ts';
import type { SimLease, SimNode } from '../sim-node.ts';

const kinds = ['slots', 'cores', 'gpus'] as const;
export type ResourceKind = (typeof kinds)[number];
type Amounts = Record<ResourceKind, number>;

/** What was busy and what was up until a moment, resource-milliseconds. */
export interface UsageSample {
  atMs: number;
  busy: Amounts;
  up: Amounts;
}

const nothing = (): Amounts => ({ slots: 0, cores: 0, gpus: 0 });

/** How much of the farm works, over time. */
export class Usage {
  readonly samples: UsageSample[] = [{ atMs: 0, busy: nothing(), up: nothing() }];
  private readonly busy = nothing();
  private readonly up = nothing();
  private readonly busySum = nothing();
  private readonly upSum = nothing();
  private atMs = 0;

  node(node: SimNode, sign: 1 | -1, nowMs: number): void {
    this.advance(nowMs);
    const { vcpus, devices } = node.capabilities;
    add(this.up, { slots: node.slots, cores: vcpus, gpus: devices.length }, sign);
  }

  lease({ resources }: SimLease, sign: 1 | -1, nowMs: number): void {
    this.advance(nowMs);
    this.busy.slots += sign;
    this.busy.cores += sign * (resources?.vcpus ?? 0);
    this.busy.gpus += sign * (resources?.gpus.length ?? 0);
  }

  sample(nowMs: number): void {
    this.advance(nowMs);
    this.samples.push({ atMs: nowMs, busy: { ...this.busySum }, up: { ...this.upSum } });
  }

  private advance(nowMs: number): void {
    const ms = nowMs - this.atMs;
    if (ms === 0) return;
    this.atMs = nowMs;
    add(this.busySum, this.busy, ms);
    add(this.upSum, this.up, ms);
  }
}

function add(to: Amounts, amounts: Amounts, times: number): void {
  for (const kind of kinds) to[kind] += times * amounts[kind];
}

/** Busy of what was up between two samples, 0 to 1 of each kind; undefined of a kind there is none of. */
export function utilisation(
  from: UsageSample,
  to: UsageSample,
): Record<ResourceKind, number | undefined> {
  const of = (kind: ResourceKind) => {
    const up = to.up[kind] - from.up[kind];
    return up <= 0 ? undefined : (to.busy[kind] - from.busy[kind]) / up;
  };
  return { slots: of('slots'), cores: of('cores'), gpus: of('gpus') };
}

/** The same of work that is known beforehand. */
export const loadOf = (work: Amounts, capacity: Capacity, ms: number) => {
  const of = (kind: ResourceKind) =>
    capacity[kind] <= 0 || ms <= 0 ? undefined : work[kind] / (capacity[kind] * ms);
  return { slots: of('slots'), cores: of('cores'), gpus: of('gpus') };
};
