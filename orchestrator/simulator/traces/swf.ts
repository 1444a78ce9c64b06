import { err, ok, type Result } from '@karst/shared/result.ts';
import {
  FixedDuration,
  inOrderOfArrival,
  type Trace,
  type TraceJob,
  traceJobId,
} from '../trace.ts';
import { LINE_PROBLEMS_MAX, type LineProblem, linesOf } from './csv-lines.ts';
import { DemandShapes } from './demand-shape.ts';

/** Fields of the Standard Workload Format 2.2, in order. -1: not known. */
const FIELDS = [
  'job number',
  'submit time',
  'wait time',
  'run time',
  'allocated processors',
  'average CPU time',
  'used memory',
  'requested processors',
  'requested time',
  'requested memory',
  'status',
  'user',
  'group',
  'executable',
  'queue',
  'partition',
  'preceding job',
  'think time',
] as const;
type Field = (typeof FIELDS)[number];

const KIB_PER_MIB = 1024;

export interface SwfOptions {
  /** A job that needs more processors becomes tasks of at most so many: the farm's largest node. */
  coresMax: number;
}

/**
 * A log of the Parallel Workloads Archive. A job is one step; groups are studios, users projects.
 * Header lines begin with ';'. Memory is per processor, in KiB.
 */
export function readSwf(text: string, { coresMax }: SwfOptions): Result<Trace, LineProblem[]> {
  const problems: LineProblem[] = [];
  const shapes = new DemandShapes();
  const jobs: TraceJob[] = [];
  let idle = 0;
  for (const { line, content } of linesOf(text)) {
    const trimmed = content.trim();
    if (trimmed === '' || trimmed.startsWith(';')) continue;
    const read = readLine(trimmed);
    if (typeof read === 'string') {
      problems.push({ line, message: read });
      if (problems.length >= LINE_PROBLEMS_MAX) break;
    } else if (read.processors <= 0 || read.runSeconds <= 0) idle++;
    else jobs.push(jobOf(read, jobs.length));
  }
  if (problems.length > 0) return err(problems);
  const skipped: Record<string, number> =
    idle === 0 ? {} : { 'no run time or no processors': idle };
  return ok({ kind: 'swf', jobs: inOrderOfArrival(jobs), skipped });

  function jobOf(read: SwfJob, n: number): TraceJob {
    const tasks = Math.ceil(read.processors / coresMax);
    const cores = Math.ceil(read.processors / tasks);
    const memoryMib = Math.ceil((Math.max(0, read.memoryKib) * cores) / KIB_PER_MIB);
    return {
      id: traceJobId(n),
      studio: `group-${read.group < 0 ? 'unknown' : read.group}`,
      project: `user-${read.user < 0 ? 'unknown' : read.user}`,
      arrivalMs: read.submitSeconds * 1000,
      priorityClass: 'normal',
      priority: 50,
      steps: [
        {
          name: `job ${read.number}`,
          tasks,
          shape: shapes.of({ cores, memoryMib, gpus: 0, gpuMemoryMib: 0 }),
          limits: [],
          dependsOn: [],
          durations: new FixedDuration(read.runSeconds * 1000),
        },
      ],
    };
  }
}

interface SwfJob {
  number: number;
  submitSeconds: number;
  runSeconds: number;
  processors: number;
  memoryKib: number;
  user: number;
  group: number;
}

/** A line's job, or what is wrong with it. */
function readLine(content: string): SwfJob | string {
  const words = content.split(/\s+/);
  if (words.length !== FIELDS.length) {
    return `expected ${FIELDS.length} fields, found ${words.length}`;
  }
  const values = words.map(Number);
  const bad = values.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) {
    return `expected a number as field ${bad + 1} (${FIELDS[bad]}), found "${words[bad]?.slice(0, 60)}"`;
  }
  const field = (name: Field): number => values[FIELDS.indexOf(name)] ?? -1;
  const submitSeconds = field('submit time');
  if (submitSeconds < 0) return `expected a submit time of at least 0, found ${submitSeconds}`;
  const either = (asked: Field, had: Field) => (field(asked) > 0 ? field(asked) : field(had));
  return {
    number: field('job number'),
    submitSeconds,
    runSeconds: field('run time'),
    processors: either('requested processors', 'allocated processors'),
    memoryKib: either('requested memory', 'used memory'),
    user: field('user'),
    group: field('group'),
  };
}
