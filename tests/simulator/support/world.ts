import {
  FixedDuration,
  inOrderOfArrival,
  type Trace,
  type TraceJob,
  type TraceStep,
  traceJobId,
} from '@karst/orchestrator/simulator/trace.ts';
import {
  DemandShapes,
  type TaskDemand,
} from '@karst/orchestrator/simulator/traces/demand-shape.ts';
import type { Placement } from '@karst/shared/protocol/placement.ts';
import { type FarmFile, farmFileSchema } from '@karst/shared/simulation/farm-file.ts';

const shapes = new DemandShapes();

/** A farm file's settings with everything usual but what is given. */
export const farmOf = (given: Record<string, unknown>): FarmFile => farmFileSchema.parse(given);

export const cpuNodes = (count: number, given: Record<string, unknown> = {}) => ({
  name: 'cpu',
  count,
  slots: 4,
  cores: 16,
  memoryGib: 64,
  ...given,
});

export const gpuNodes = (count: number, given: Record<string, unknown> = {}) => ({
  ...cpuNodes(count, { name: 'gpu', gpus: { count: 2, model: 'L40S', memoryGib: 48 } }),
  ...given,
});

export interface StepGiven {
  tasks?: number;
  seconds?: number;
  demand?: Partial<TaskDemand>;
  placement?: Placement;
  limits?: string[];
  dependsOn?: number[];
}

export function traceStep(given: StepGiven = {}): TraceStep {
  const demand = { cores: 1, memoryMib: 0, gpus: 0, gpuMemoryMib: 0, ...given.demand };
  return {
    name: 'step',
    tasks: given.tasks ?? 1,
    shape: shapes.of(demand, given.placement),
    limits: given.limits ?? [],
    dependsOn: given.dependsOn ?? [],
    durations: new FixedDuration((given.seconds ?? 60) * 1000),
  };
}

type JobGiven = Partial<Omit<TraceJob, 'id' | 'steps'>> & { steps?: StepGiven[] };

export function traceOf(jobs: readonly JobGiven[]): Trace {
  const made = jobs.map(
    (given, n): TraceJob => ({
      studio: 'pixels',
      project: 'film',
      arrivalMs: 0,
      priorityClass: 'normal',
      priority: 50,
      ...given,
      id: traceJobId(n),
      steps: (given.steps ?? [{}]).map(traceStep),
    }),
  );
  return { kind: 'film', jobs: inOrderOfArrival(made), skipped: {} };
}
