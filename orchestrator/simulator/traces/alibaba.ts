import type { PriorityClass } from '@karst/shared/protocol/job.ts';
import { err, ok, type Result } from '@karst/shared/result.ts';
import type { NodeGroup } from '@karst/shared/simulation/farm-file.ts';
import {
  FixedDuration,
  inOrderOfArrival,
  type Trace,
  type TraceJob,
  traceJobId,
} from '../trace.ts';
import { type CsvRow, csvRows, type LineProblem } from './csv-lines.ts';
import { DemandShapes } from './demand-shape.ts';

const POD_COLUMNS = [
  'name',
  'cpu_milli',
  'memory_mib',
  'num_gpu',
  'gpu_milli',
  'gpu_spec',
  'qos',
  'pod_phase',
  'creation_time',
  'deletion_time',
  'scheduled_time',
];
const NODE_COLUMNS = ['sn', 'cpu_milli', 'memory_mib', 'gpu', 'model'];
const MIB_PER_GIB = 1024;
const UNKNOWN_CARD_GIB = 32;
/** GiB of the cards whose makers tell; G2 and G3 are names of the trace alone. No pod asks for it. */
const cardMemoryGib: Readonly<Record<string, number>> = {
  T4: 16,
  P100: 16,
  V100M16: 16,
  V100M32: 32,
  A10: 24,
};
/** What the trace calls best effort gives way; the rest is one class. */
const classes: Readonly<Record<string, PriorityClass>> = { BE: 'background' };

/**
 * The pods of Alibaba's GPU trace of 2023 (cluster-trace-gpu-v2023, openb_pod_list): a job of one task
 * each, which runs from its scheduled to its deletion time. A pod that shares a card gets a whole one,
 * as on a Karst farm. The trace names no tenants: its QoS classes stand for studios.
 */
export function readAlibabaPods(text: string): Result<Trace, LineProblem[]> {
  const problems: LineProblem[] = [];
  const shapes = new DemandShapes();
  const jobs: TraceJob[] = [];
  let unscheduled = 0;
  for (const row of csvRows(text, POD_COLUMNS, problems)) {
    if (row.text('scheduled_time') === '') {
      unscheduled++;
      continue;
    }
    const job = readPod(row, jobs.length, shapes);
    if (job !== undefined) jobs.push(job);
  }
  if (problems.length > 0) return err(problems);
  const skipped: Record<string, number> =
    unscheduled === 0 ? {} : { 'never scheduled, run time unknown': unscheduled };
  return ok({ kind: 'alibaba-2023', jobs: inOrderOfArrival(jobs), skipped });
}

function readPod(row: CsvRow, n: number, shapes: DemandShapes): TraceJob | undefined {
  const [cpuMilli, memoryMib, gpus] = ['cpu_milli', 'memory_mib', 'num_gpu'].map((column) =>
    row.amount(column),
  );
  const [creation, deletion, scheduled] = ['creation_time', 'deletion_time', 'scheduled_time'].map(
    (column) => row.amount(column),
  );
  if (cpuMilli === undefined || memoryMib === undefined || gpus === undefined) return undefined;
  if (creation === undefined || deletion === undefined || scheduled === undefined) return undefined;
  if (deletion < scheduled || scheduled < creation) {
    row.tell(
      'expected creation_time <= scheduled_time <= deletion_time, ' +
        `found ${creation}, ${scheduled}, ${deletion}`,
    );
    return undefined;
  }
  const models = row.text('gpu_spec').split('|').filter(Boolean);
  const qos = row.text('qos');
  const demand = { cores: cpuMilli / 1000, memoryMib, gpus, gpuMemoryMib: 0 };
  return {
    id: traceJobId(n),
    studio: qos === '' ? 'none' : qos.toLowerCase(),
    project: 'default',
    arrivalMs: creation * 1000,
    priorityClass: classes[qos] ?? 'normal',
    priority: 50,
    steps: [
      {
        name: row.text('name'),
        tasks: 1,
        shape: shapes.of(demand, gpus > 0 && models.length > 0 ? { gpuModels: models } : {}),
        limits: [],
        dependsOn: [],
        durations: new FixedDuration((deletion - scheduled) * 1000),
      },
    ],
  };
}

/** Nodes of the same trace (openb_node_list) as groups of those that are alike. */
export function readAlibabaNodes(text: string): Result<NodeGroup[], LineProblem[]> {
  const problems: LineProblem[] = [];
  const groups = new Map<string, NodeGroup>();
  for (const row of csvRows(text, NODE_COLUMNS, problems)) {
    const [cpuMilli, memoryMib, gpus] = ['cpu_milli', 'memory_mib', 'gpu'].map((column) =>
      row.amount(column),
    );
    if (cpuMilli === undefined || memoryMib === undefined || gpus === undefined) continue;
    const model = row.text('model');
    if (gpus > 0 && model === '') {
      row.tell(`expected the model of ${gpus} GPUs, found none`);
      continue;
    }
    const cores = cpuMilli / 1000;
    const memoryGib = memoryMib / MIB_PER_GIB;
    const name = `${gpus > 0 ? `${gpus}x${model}` : 'cpu'}-${cores}c-${Math.round(memoryGib)}g`;
    const known = groups.get(name);
    groups.set(name, {
      name,
      count: (known?.count ?? 0) + 1,
      // The trace knows no slots: as many leases as there are cores.
      slots: Math.max(1, Math.floor(cores)),
      cores,
      memoryGib,
      scratchGib: 1000,
      ...(gpus === 0
        ? {}
        : { gpus: { count: gpus, model, memoryGib: cardMemoryGib[model] ?? UNKNOWN_CARD_GIB } }),
      tags: [],
      software: {},
      latencyMs: {},
      prices: {},
      repairMinutes: 30,
      joinsAtHours: 0,
    });
  }
  if (problems.length > 0) return err(problems);
  if (groups.size === 0) return err([{ line: 1, message: 'expected nodes, found none' }]);
  return ok([...groups.values()]);
}
