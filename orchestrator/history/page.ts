import { z } from 'zod';
import {
  type AcceptedOutputs,
  type AttemptRecord,
  acceptedOutputsSchema,
  fromStored,
  storedAttemptSchema,
  unpackRun,
} from '../store/attempt-record.ts';

/** Details of a page's tasks as storage holds them: by task index, runs as in Redis. */
export const pageFileSchema = z.object({
  runs: z.array(z.string()),
  attempts: z.record(z.string(), storedAttemptSchema),
  outputs: z.record(z.string(), acceptedOutputsSchema),
  failures: z.record(z.string(), z.int()),
});
export type PageFile = z.infer<typeof pageFileSchema>;

export const emptyPage: PageFile = { runs: [], attempts: {}, outputs: {}, failures: {} };

/** Details of finished tasks as Redis holds them. */
export interface PageDetails {
  runs: readonly string[];
  attempts: ReadonlyMap<number, string>;
  /** '' where the outputs of a former attempt are withdrawn. */
  outputs: ReadonlyMap<number, string>;
  failures: ReadonlyMap<number, number>;
}

/** Details of finished tasks that were paged out. What stands in Redis of a task is newer. */
export class HistoryPage {
  private readonly file: PageFile;
  /** The run with the last attempt of each task that is in any. */
  private readonly lastRuns: ReadonlyMap<number, number>;
  private readonly runs: readonly ReturnType<typeof unpackRun>[];

  constructor(file: PageFile) {
    this.file = file;
    this.runs = file.runs.map(unpackRun);
    this.lastRuns = lastRuns(this.runs);
  }

  static parse(text: string): HistoryPage {
    return new HistoryPage(pageFileSchema.parse(JSON.parse(text)));
  }

  /** The task's last finished attempt. */
  attempt(task: number): AttemptRecord | undefined {
    const stored = this.file.attempts[String(task)];
    const run = this.runs[this.lastRuns.get(task) ?? -1];
    const attempt = stored === undefined ? undefined : fromStored(stored);
    if (run === undefined) return attempt;
    return attempt === undefined || run.attempt.epoch > attempt.epoch ? run.attempt : attempt;
  }

  outputs(task: number): AcceptedOutputs | undefined {
    return this.file.outputs[String(task)];
  }

  /** Failures by the task's own fault before its last attempt's end. */
  failures(task: number): number {
    return this.file.failures[String(task)] ?? 0;
  }

  get hasOutputs(): boolean {
    return Object.keys(this.file.outputs).length > 0;
  }

  toText(): string {
    return JSON.stringify(this.file);
  }

  /** This page with what Redis holds of the same tasks put over it. */
  with(details: PageDetails): HistoryPage {
    const attempts = { ...this.file.attempts };
    for (const [task, text] of details.attempts) {
      attempts[task] = storedAttemptSchema.parse(JSON.parse(text));
    }
    const runs = withoutCovered([...this.file.runs, ...details.runs]);
    const failures = { ...this.file.failures };
    for (const text of details.runs) {
      const { first, last } = unpackRun(text);
      for (let task = first; task <= last; task++) delete failures[task];
    }
    for (const task of details.attempts.keys()) delete failures[task];
    for (const [task, count] of details.failures) failures[task] = count;
    const outputs = { ...this.file.outputs };
    for (const [task, text] of details.outputs) {
      if (text === '') delete outputs[task];
      else outputs[task] = acceptedOutputsSchema.parse(JSON.parse(text));
    }
    return new HistoryPage({ runs, attempts, outputs, failures });
  }
}

/** By task, the place in `runs` of the one with the highest epoch. */
function lastRuns(runs: readonly ReturnType<typeof unpackRun>[]): Map<number, number> {
  const last = new Map<number, number>();
  for (const [i, run] of runs.entries()) {
    for (let task = run.first; task <= run.last; task++) {
      const other = runs[last.get(task) ?? -1];
      if (other === undefined || other.attempt.epoch < run.attempt.epoch) last.set(task, i);
    }
  }
  return last;
}

/** Without runs all of whose tasks have a later one. */
function withoutCovered(runs: readonly string[]): string[] {
  const used = new Set(lastRuns(runs.map(unpackRun)).values());
  return runs.filter((_, i) => used.has(i));
}
