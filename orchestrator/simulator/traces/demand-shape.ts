import type { Placement } from '@karst/shared/protocol/placement.ts';
import { GPU_MEMORY, type Shape, shapeOf } from '../../scheduler/shape.ts';

/** What one task of a trace takes. */
export interface TaskDemand {
  cores: number;
  memoryMib: number;
  gpus: number;
  gpuMemoryMib: number;
}

/** Shapes by what they ask for, one object each: a trace has thousands of steps and dozens of shapes. */
export class DemandShapes {
  private readonly known = new Map<string, Shape>();

  of(demand: TaskDemand, placement: Placement = {}): Shape {
    const { cores, memoryMib, gpus, gpuMemoryMib } = demand;
    const name = JSON.stringify([cores, memoryMib, gpus, gpuMemoryMib, placement]);
    const known = this.known.get(name);
    if (known !== undefined) return known;
    const amounts = [
      { name: 'amount.worker.vcpu', min: cores },
      { name: 'amount.worker.memory', min: memoryMib },
      { name: 'amount.worker.gpu', min: gpus },
      { name: GPU_MEMORY, min: gpuMemoryMib },
    ].filter(({ min }) => min > 0);
    const made = shapeOf({ amounts, attributes: [] }, placement);
    this.known.set(name, made);
    return made;
  }
}
