import type { Demand } from './shape.ts';

/** Core-seconds that one second of a GPU counts for: about what their prices say. */
export const CORES_PER_GPU = 16;
/** Charged at grant for a task whose run time nobody knows yet, ms. */
export const ENTRY_CHARGE_MS = 60_000;

/** What a lease of `ms` costs its studio, in core-seconds: of cores or GPUs, what is scarcer. */
export function leaseCost(demand: Pick<Demand, 'vcpus' | 'gpus'> | undefined, ms: number): number {
  const rate = Math.max(demand?.vcpus ?? 1, (demand?.gpus ?? 0) * CORES_PER_GPU);
  return (rate * ms) / 1000;
}

/** The charge at grant of a span of `tasks`, before anyone knows how long it takes. */
export function entryMs(tasks: number, meanTaskMs: number | undefined): number {
  return meanTaskMs === undefined ? ENTRY_CHARGE_MS : tasks * meanTaskMs;
}

/** What a lease of one task of a step is charged when it is granted, core-seconds. */
export const entryCost = (step: {
  readonly shape: { readonly demand: Pick<Demand, 'vcpus' | 'gpus'> | undefined };
  readonly meanTaskMs: number | undefined;
}): number => leaseCost(step.shape.demand, entryMs(1, step.meanTaskMs));
