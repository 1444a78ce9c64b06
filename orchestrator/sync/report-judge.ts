import type { JobId, StudioId } from '@karst/shared/protocol/ids.ts';
import type { LeaseReport, TaskResult } from '@karst/shared/protocol/lease.ts';
import { judgeFailure, type Verdict } from '../domain/failure-class.ts';
import type { JobEvents } from '../jobs/job-events.ts';
import type { Metrics } from '../metrics/metrics.ts';
import { objectKeys } from '../objects/keys.ts';
import type { ObjectStore } from '../objects/store.ts';
import type { JobStore } from '../store/job-store.ts';
import type { FailedResult } from './result-words.ts';

/** What a report comes to. */
export interface JudgedReport {
  /** As told, but that those whose outputs storage lacks have failed. */
  results: readonly TaskResult[];
  judge: (failed: FailedResult) => Verdict;
}

/** Outputs of one task. A page of a list is one request for up to a thousand. */
const ASKED_ONE_BY_ONE = 8;

/** Looks at what nodes report before it is recorded: whether outputs are there, and whose fault a failure is. */
export class ReportJudge {
  private readonly parts: {
    readonly jobs: JobStore;
    readonly objects: ObjectStore;
    readonly events: JobEvents;
    readonly metrics: Metrics;
    /** Lists the job for publishing, before its outputs are accepted. */
    listForPublishing(jobId: JobId): Promise<void>;
  };

  constructor(parts: ReportJudge['parts']) {
    this.parts = parts;
  }

  async judged(report: LeaseReport): Promise<JudgedReport> {
    const results = await this.verify(report);
    return { results, judge: await this.rulesFor(report, results) };
  }

  /** How the job's rules decide about failures of a report. */
  private async rulesFor(
    { jobId, step: index }: LeaseReport,
    results: readonly TaskResult[],
  ): Promise<(failed: FailedResult) => Verdict> {
    if (!results.some(({ outcome }) => outcome === 'failed')) {
      return ({ kind }) => judgeFailure({ kind, step: '' }, []);
    }
    const [job, definition] = await Promise.all([
      this.parts.jobs.read(jobId),
      this.parts.jobs.definition(jobId),
    ]);
    const rules = job?.policy.failureRules ?? [];
    const step = definition?.job.steps[index]?.name ?? '';
    return ({ kind, rule }) => judgeFailure({ kind, rule, step }, rules);
  }

  /**
   * Outputs count only once storage has them whole. The upload URL fixes their hash and length, so
   * existence with the right size is what is left to check.
   */
  private async verify(report: LeaseReport): Promise<TaskResult[]> {
    const { results } = report;
    if (!results.some((result) => result.outcome === 'succeeded' && result.outputs?.length)) {
      return results;
    }
    const studio = await this.parts.events.studioOf(report.jobId);
    if (studio === undefined) return results;
    await this.parts.listForPublishing(report.jobId);
    return await Promise.all(results.map((result) => this.verifyOutputs(studio, report, result)));
  }

  private async verifyOutputs(
    studio: StudioId,
    report: LeaseReport,
    result: TaskResult,
  ): Promise<TaskResult> {
    if (result.outcome !== 'succeeded' || result.outputs === undefined) return result;
    const { jobId, step, epoch } = report;
    const prefix = objectKeys.attemptPrefix(studio, jobId, step, result.first, epoch);
    const sizes = await this.sizesOf(prefix, result.outputs);
    const missing = result.outputs.map(({ path, sizeBytes }, i) => {
      const stored = sizes[i];
      if (stored === undefined) return `output ${path} is not in storage`;
      if (stored === sizeBytes) return undefined;
      return `output ${path} has ${stored} bytes in storage, ${sizeBytes} were reported`;
    });
    const message = missing.find((text) => text !== undefined);
    if (message === undefined) {
      this.parts.metrics.stageBytes(
        'output',
        result.outputs.reduce((sum, file) => sum + file.sizeBytes, 0),
      );
      return result;
    }
    const { first, last, startedAtMs, endedAtMs } = result;
    return { outcome: 'failed', kind: 'storage', message, first, last, startedAtMs, endedAtMs };
  }

  /** Of each output; undefined: it is not there. Many are listed rather than asked for one by one. */
  private async sizesOf(
    prefix: string,
    outputs: readonly { path: string }[],
  ): Promise<(number | undefined)[]> {
    const { objects } = this.parts;
    if (outputs.length <= ASKED_ONE_BY_ONE) {
      const heads = outputs.map(({ path }) => objects.head(prefix + path));
      return (await Promise.all(heads)).map((object) => object?.sizeBytes);
    }
    const found = new Map<string, number>();
    for (let cursor: string | undefined; ; ) {
      const page = await objects.list(prefix, cursor);
      for (const { key, sizeBytes } of page.items) found.set(key.slice(prefix.length), sizeBytes);
      cursor = page.nextCursor;
      if (cursor === undefined) return outputs.map(({ path }) => found.get(path));
    }
  }
}
