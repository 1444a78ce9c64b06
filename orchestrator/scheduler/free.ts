import type { Resources } from '@karst/shared/protocol/lease.ts';
import type { Capabilities } from './capabilities.ts';
import { acceptedDevices, type Mismatch } from './match.ts';
import type { Shape } from './shape.ts';

/** What of a node's resources no lease holds. */
export class FreeResources {
  private readonly node: Capabilities;
  private vcpus: number;
  private memoryMib: number;
  private scratchGib: number;
  private readonly amounts: Record<string, number>;
  private readonly busy = new Set<number>();

  constructor(node: Capabilities, held: readonly Resources[]) {
    this.node = node;
    this.vcpus = node.vcpus;
    this.memoryMib = node.memoryMib;
    this.scratchGib = node.scratchGib;
    this.amounts = { ...node.amounts };
    for (const resources of held) this.move(resources, -1);
  }

  /** Takes back what take() gave. */
  giveBack(resources: Resources): void {
    this.move(resources, 1);
  }

  /** Counts resources as held that somebody else chose. */
  hold(resources: Resources): void {
    this.move(resources, -1);
  }

  private move(resources: Resources, sign: 1 | -1): void {
    this.vcpus += sign * resources.vcpus;
    this.memoryMib += sign * resources.memoryMib;
    this.scratchGib += sign * resources.scratchGib;
    for (const index of resources.gpus) {
      if (sign === 1) this.busy.delete(index);
      else this.busy.add(index);
    }
    for (const [name, amount] of Object.entries(resources.amounts ?? {})) {
      this.amounts[name] = (this.amounts[name] ?? 0) + sign * amount;
    }
  }

  /** What there is too little of at this moment; empty when a lease of the shape fits. */
  shortages(shape: Shape): Mismatch[] {
    const { demand } = shape;
    if (demand === undefined) return [];
    const failed: Mismatch[] = [];
    const need = (test: string, wanted: number, has: number) => {
      if (wanted > 0 && has < wanted) {
        failed.push({
          test: `free ${test}`,
          wanted: String(wanted),
          has: String(Math.max(has, 0)),
        });
      }
    };
    need('vcpus', demand.vcpus, this.vcpus);
    need('memoryMib', demand.memoryMib, this.memoryMib);
    need('scratchGib', demand.scratchGib, this.scratchGib);
    if (demand.gpus > 0) need('gpus', demand.gpus, this.freeDevices(shape).length);
    for (const [name, amount] of Object.entries(demand.amounts)) {
      need(name, amount, this.amounts[name] ?? 0);
    }
    return failed;
  }

  fits(shape: Shape): boolean {
    return shape.demand === undefined || this.shortages(shape).length === 0;
  }

  /**
   * Takes what a lease of the shape needs; undefined when it does not fit. GPUs with the least memory
   * go first, so that the large ones stay for those who need them.
   */
  take(shape: Shape): Resources | undefined {
    const { demand } = shape;
    if (demand === undefined || !this.fits(shape)) return undefined;
    const gpus = this.freeDevices(shape)
      .sort((a, b) => a.memoryMib - b.memoryMib || a.index - b.index)
      .slice(0, demand.gpus)
      .map(({ index }) => index);
    const resources: Resources = {
      vcpus: demand.vcpus,
      memoryMib: demand.memoryMib,
      scratchGib: demand.scratchGib,
      gpus,
      ...(Object.keys(demand.amounts).length === 0 ? {} : { amounts: { ...demand.amounts } }),
    };
    this.move(resources, -1);
    return resources;
  }

  private freeDevices(shape: Shape) {
    return acceptedDevices(shape, this.node.devices).filter(({ index }) => !this.busy.has(index));
  }
}
