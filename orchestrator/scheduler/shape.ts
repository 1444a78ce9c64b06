import type { ResolvedHostRequirements } from '@karst/shared/openjd/resolved-job.ts';
import type { Placement } from '@karst/shared/protocol/placement.ts';

/** What a lease of a step takes of its node, and gives back at its end. */
export interface Demand {
  readonly vcpus: number;
  readonly memoryMib: number;
  readonly gpus: number;
  /** Each GPU handed out has at least this much. */
  readonly gpuMemoryMib: number;
  readonly scratchGib: number;
  /** Custom amounts by lower-case name. */
  readonly amounts: Readonly<Record<string, number>>;
}

/** Where tasks of a step may run, in canonical form: equal wishes make equal keys. */
export interface Shape {
  readonly key: string;
  readonly requirements: ResolvedHostRequirements;
  readonly placement: Placement;
  /** Undefined: nothing is asked for, a lease takes a slot alone. */
  readonly demand: Demand | undefined;
}

export const GPU_MEMORY = 'amount.worker.gpu.memory';
const standard = new Set([
  'amount.worker.vcpu',
  'amount.worker.memory',
  'amount.worker.gpu',
  GPU_MEMORY,
  'amount.worker.disk.scratch',
]);

/**
 * The shape of a step. Steps differ in their thousands, shapes in dozens: what is decided once per
 * shape costs nothing per step (equivalence hashing, Kueue KEP-9694).
 */
export function shapeOf(
  requirements: ResolvedHostRequirements | undefined,
  placement: Placement = {},
): Shape {
  const canonical = {
    amounts: sorted(requirements?.amounts ?? [], ({ name }) => name).map(({ name, min, max }) => ({
      name,
      ...(min === undefined ? {} : { min }),
      ...(max === undefined ? {} : { max }),
    })),
    attributes: sorted(requirements?.attributes ?? [], ({ name }) => name).map(
      ({ name, anyOf, allOf }) => ({
        name,
        ...(anyOf === undefined ? {} : { anyOf: [...anyOf].sort() }),
        ...(allOf === undefined ? {} : { allOf: [...allOf].sort() }),
      }),
    ),
  };
  const where = canonicalPlacement(placement);
  return {
    key: JSON.stringify([canonical.amounts, canonical.attributes, where]),
    requirements: canonical,
    placement: where,
    demand: demandOf(canonical),
  };
}

function demandOf({ amounts }: ResolvedHostRequirements): Demand | undefined {
  if (amounts.length === 0) return undefined;
  const least = (name: string) => amounts.find((amount) => amount.name === name)?.min ?? 0;
  const gpuMemoryMib = least(GPU_MEMORY);
  return {
    // The specification gives a session one vCPU unless it asks for more.
    vcpus: Math.max(1, least('amount.worker.vcpu')),
    memoryMib: least('amount.worker.memory'),
    gpus: least('amount.worker.gpu'),
    gpuMemoryMib,
    scratchGib: least('amount.worker.disk.scratch'),
    amounts: Object.fromEntries(
      amounts.flatMap(({ name, min }) =>
        standard.has(name) || min === undefined || min === 0 ? [] : [[name, min]],
      ),
    ),
  };
}

function canonicalPlacement(placement: Placement): Placement {
  const canonical: [string, unknown][] = [];
  for (const [name, value] of sorted(Object.entries(placement), ([key]) => key)) {
    if (Array.isArray(value)) canonical.push([name, [...value].sort()]);
    else if (typeof value === 'string') canonical.push([name, value]);
    // Caps of nothing ask for no more than none.
    else if (Object.keys(value).length > 0)
      canonical.push([name, Object.fromEntries(sorted(Object.entries(value), ([key]) => key))]);
  }
  return Object.fromEntries(canonical);
}

const sorted = <T>(items: readonly T[], by: (item: T) => string): T[] =>
  [...items].sort((a, b) => (by(a) < by(b) ? -1 : by(a) > by(b) ? 1 : 0));
