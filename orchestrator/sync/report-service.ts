import type { Clock } from '@karst/shared/clock.ts';
import type { JobId, NodeId, StudioId } from '@karst/shared/protocol/ids.ts';
import { terminalJobStates } from '@karst/shared/protocol/job.ts';
import type { LeaseReport, TaskResult } from '@karst/shared/protocol/lease.ts';
import type { SyncResponse } from '@karst/shared/protocol/node.ts';
import { failureClass } from '../domain/failure-class.ts';
import type { Aftermath } from '../jobs/aftermath.ts';
import type { JobEvents } from '../jobs/job-events.ts';
import type { Metrics } from '../metrics/metrics.ts';
import { objectKeys } from '../objects/keys.ts';
import type { ObjectStore } from '../objects/store.ts';
import type { SpanQueue } from '../queue/span-queue.ts';
import {
  type AcceptedOutputs,
  type AttemptRecord,
  packAttempt,
  packRun,
} from '../store/attempt-record.ts';
import type { Reported, ResultWords, SpanStore } from '../store/span-store.ts';

type Answer = SyncResponse['reports'][number];

export interface ReportParts {
  spans: SpanStore;
  queue: SpanQueue;
  objects: ObjectStore;
  aftermath: Aftermath;
  events: JobEvents;
  metrics: Metrics;
  clock: Clock;
  /** Lists the job for publishing, before its outputs are accepted. */
  listForPublishing(jobId: JobId): Promise<void>;
  /** Told when accepted outputs wait to be published. */
  outputsAccepted(): void;
}

export interface ReportOutcome {
  answer: Answer;
  /** The lease is over and leaves the node's list. */
  released: boolean;
}

/** Records what nodes report, through the fence. */
export class ReportService {
  private readonly parts: ReportParts;

  constructor(parts: ReportParts) {
    this.parts = parts;
  }

  async record(nodeId: NodeId, report: LeaseReport): Promise<ReportOutcome> {
    const verified = await this.verify(report);
    const words = verified.map((result) => resultWords(nodeId, report.epoch, result));
    const reported = await this.parts.spans.report(nodeId, report, this.parts.clock.nowMs(), words);
    if (reported.status === 'lost') this.parts.metrics.attemptsFenced(1);
    if (reported.status === 'accepted') await this.follow(report, verified, reported);
    const answer: Answer = { leaseId: report.leaseId, status: reported.status };
    if (reported.status === 'refused') {
      answer.message = 'results must follow each other in the order of the span, within the lease';
    }
    if (reported.effects.job !== '' && terminalJobStates.has(reported.effects.job)) {
      answer.jobOver = true;
    }
    return { answer, released: reported.released };
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
    const missing = await Promise.all(
      result.outputs.map(async ({ path, sizeBytes }) => {
        const { jobId, step, epoch } = report;
        const key = objectKeys.attempt(studio, jobId, step, result.first, epoch, path);
        const object = await this.parts.objects.head(key);
        if (object === undefined) return `output ${path} is not in storage`;
        if (object.sizeBytes === sizeBytes) return undefined;
        return `output ${path} has ${object.sizeBytes} bytes in storage, ${sizeBytes} were reported`;
      }),
    );
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

  private async follow(
    report: LeaseReport,
    results: readonly TaskResult[],
    reported: Reported,
  ): Promise<void> {
    const { jobId, step, spanId, leaseId } = report;
    const span = { jobId, step, spanId };
    if (reported.requeued) {
      await this.parts.queue.putBack(span, leaseId);
      await this.parts.aftermath.spansQueued(jobId, step, []);
    } else if (reported.released && !reported.effects.ended.includes(step)) {
      // An ended step's queue is removed whole.
      await this.parts.queue.finish(span, leaseId);
    }
    // Before what follows from them: a watcher who leaves at the job's end has heard of every task.
    for (const result of results) {
      this.measure(result);
      await this.tell(report, result, reported);
    }
    await this.parts.aftermath.apply(jobId, step, reported.effects);
    if (results.some((result) => result.outcome === 'succeeded' && result.outputs?.length)) {
      this.parts.outputsAccepted();
    }
  }

  private async tell(report: LeaseReport, result: TaskResult, reported: Reported): Promise<void> {
    const { jobId, step } = report;
    const { first, last, outcome } = result;
    const retried = reported.effects.retries.some(({ task }) => task === first);
    const state =
      outcome === 'succeeded'
        ? 'succeeded'
        : outcome === 'failed' && !retried
          ? 'failed'
          : 'waiting';
    await this.parts.events.tasksChanged(jobId, step, first, last, state);
  }

  private measure(result: TaskResult): void {
    const tasks = result.last - result.first + 1;
    if (result.outcome === 'failed') this.parts.metrics.attemptEnded('failed', result.kind, tasks);
    else this.parts.metrics.attemptEnded(result.outcome, 'none', tasks);
    if (result.outcome === 'succeeded') {
      this.parts.metrics.taskRun((result.endedAtMs - result.startedAtMs) / tasks);
    }
  }
}

/** A result in the words of report_lease.lua. */
function resultWords(nodeId: NodeId, epoch: number, result: TaskResult): ResultWords {
  const { first, last } = result;
  const words = { first, last, runMs: 0, record: '', outputs: '', outputsCount: 0 };
  if (result.outcome === 'returned') return { ...words, code: 'r' };
  const { startedAtMs, endedAtMs } = result;
  const attempt: AttemptRecord = {
    epoch,
    nodeId,
    outcome: result.outcome,
    startedAtMs,
    endedAtMs,
    logBytes: result.log?.sizeBytes,
  };
  if (result.outcome === 'failed') {
    const fault = failureClass(result.kind);
    const record = packAttempt({
      ...attempt,
      exitCode: result.exitCode,
      signal: result.signal,
      failureKind: result.kind,
      failureClass: fault,
      message: result.message,
    });
    return { ...words, code: fault === 'task' ? 't' : 'n', record };
  }
  const runMs = Math.max(0, Math.round(endedAtMs - startedAtMs));
  const outputs = result.outputs ?? [];
  if (outputs.length === 0 && result.log === undefined) {
    return { ...words, code: 'b', runMs, record: packRun(first, last, attempt) };
  }
  const accepted: AcceptedOutputs = { epoch, ...(last > first ? { last } : {}), files: outputs };
  return {
    ...words,
    code: 's',
    runMs,
    record: packAttempt({ ...attempt, exitCode: 0 }),
    outputs: outputs.length === 0 ? '' : JSON.stringify(accepted),
    outputsCount: outputs.length,
  };
}
