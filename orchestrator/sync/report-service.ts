import type { Clock } from '@karst/shared/clock.ts';
import type { JobId, NodeId, StudioId } from '@karst/shared/protocol/ids.ts';
import { terminalJobStates } from '@karst/shared/protocol/job.ts';
import type { LeaseReport, TaskResult } from '@karst/shared/protocol/lease.ts';
import type { SyncResponse } from '@karst/shared/protocol/node.ts';
import { judgeFailure, type Verdict } from '../domain/failure-class.ts';
import { retryDelayMs } from '../domain/retry-delay.ts';
import type { Aftermath } from '../jobs/aftermath.ts';
import type { JobEvents } from '../jobs/job-events.ts';
import type { Metrics } from '../metrics/metrics.ts';
import { objectKeys } from '../objects/keys.ts';
import type { ObjectStore } from '../objects/store.ts';
import type { SpanQueue } from '../queue/span-queue.ts';
import type { JobStore } from '../store/job-store.ts';
import type { Reported, SpanStore } from '../store/span-store.ts';
import type { Seen, SeenFailure } from './node-watch.ts';
import {
  type FailedResult,
  type PreemptedLease,
  preemptedWords,
  resultWords,
} from './result-words.ts';

type Answer = SyncResponse['reports'][number];

const nothingSeen: Seen = { failures: [], succeeded: 0 };

export interface ReportParts {
  spans: SpanStore;
  jobs: JobStore;
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
  /** Told when the last task of a step has finished. */
  stepEnded(): void;
}

export interface ReportOutcome {
  answer: Answer;
  /** The lease is over and leaves the node's list. */
  released: boolean;
  /** What it says of the node. */
  seen: Seen;
}

/** Records what nodes report, through the fence. */
export class ReportService {
  private readonly parts: ReportParts;

  constructor(parts: ReportParts) {
    this.parts = parts;
  }

  /** `preempted`: what the lease was told to end for. */
  async record(
    nodeId: NodeId,
    report: LeaseReport,
    preempted?: PreemptedLease,
  ): Promise<ReportOutcome> {
    const verified = await this.verify(report);
    const judge = await this.judge(report, verified);
    const nowMs = this.parts.clock.nowMs();
    const words = verified.map((result) => {
      if (result.outcome === 'returned' && preempted !== undefined) {
        return preemptedWords(nodeId, report.epoch, result, preempted, nowMs);
      }
      return resultWords(nodeId, report.epoch, result, judge);
    });
    const reported = await this.parts.spans.report(nodeId, report, nowMs, words);
    if (reported.status === 'lost') this.parts.metrics.attemptsFenced(1);
    if (reported.status === 'accepted')
      await this.follow(report, verified, reported, judge, preempted);
    const answer: Answer = { leaseId: report.leaseId, status: reported.status };
    if (reported.status === 'refused') {
      answer.message = 'results must follow each other in the order of the span, within the lease';
    }
    if (reported.effects.job !== '' && terminalJobStates.has(reported.effects.job)) {
      answer.jobOver = true;
    }
    const isNews = reported.status === 'accepted';
    const seen = isNews ? await this.seen(report, verified, judge) : nothingSeen;
    return { answer, released: reported.released, seen };
  }

  /** Only what might be the node's doing: not what the farm lacks, nor what no node could do. */
  private async seen(
    { jobId, step: index, epoch }: LeaseReport,
    results: readonly TaskResult[],
    judge: (failed: FailedResult) => Verdict,
  ): Promise<Seen> {
    const failures: SeenFailure[] = [];
    let succeeded = 0;
    for (const result of results) {
      if (result.outcome === 'succeeded') succeeded += result.last - result.first + 1;
      if (result.outcome !== 'failed') continue;
      const { fault, fatal } = judge(result);
      if (fault === 'farm' || fatal) continue;
      const { kind, first: task } = result;
      const definition = await this.parts.jobs.definition(jobId);
      const step = definition?.job.steps[index]?.name ?? String(index);
      failures.push({ jobId, step, task, kind, epoch, ofNode: fault === 'node' });
    }
    return { failures, succeeded };
  }

  /** How the job's rules decide about failures of a report. */
  private async judge(
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
    judge: (failed: FailedResult) => Verdict,
    preempted: PreemptedLease | undefined,
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
      this.measure(result, preempted);
      await this.tell(report, result, reported, preempted);
    }
    await this.parts.aftermath.apply(jobId, step, reported.effects, ({ task, failures }) => {
      const failed = results.find((result) => result.outcome === 'failed' && result.first === task);
      if (failed?.outcome !== 'failed') return retryDelayMs(failures);
      const { delayMs, fault } = judge(failed);
      return delayMs ?? retryDelayMs(failures, fault);
    });
    if (results.some((result) => result.outcome === 'succeeded' && result.outputs?.length)) {
      this.parts.outputsAccepted();
    }
    if (reported.effects.ended.length > 0) this.parts.stepEnded();
  }

  private async tell(
    report: LeaseReport,
    result: TaskResult,
    reported: Reported,
    preempted: PreemptedLease | undefined,
  ): Promise<void> {
    const { jobId, step } = report;
    const { first, last, outcome } = result;
    if (reported.runsOn) return;
    const retried = reported.effects.retries.some(({ task }) => task === first);
    const state =
      outcome === 'succeeded'
        ? 'succeeded'
        : outcome === 'failed' && !retried
          ? 'failed'
          : 'waiting';
    const isPreempted = outcome === 'returned' && preempted !== undefined;
    const { events, spans } = this.parts;
    await events.tasksChanged(jobId, step, first, last, state, isPreempted);
    if (state !== 'failed') return;
    const nodes = await spans.poisonedOn(jobId, step, first);
    if (nodes.length > 0) await events.poisoned(jobId, step, first, nodes);
  }

  private measure(result: TaskResult, preempted: PreemptedLease | undefined): void {
    if (result.outcome === 'returned' && preempted !== undefined) {
      const { victim, preempt } = preempted;
      this.parts.metrics.attemptEnded('preempted', 'none');
      this.parts.metrics.preempted(victim.priorityClass, preempt.reason);
      return;
    }
    const tasks = result.last - result.first + 1;
    if (result.outcome === 'failed') this.parts.metrics.attemptEnded('failed', result.kind, tasks);
    else this.parts.metrics.attemptEnded(result.outcome, 'none', tasks);
    if (result.outcome === 'succeeded') {
      this.parts.metrics.taskRun((result.endedAtMs - result.startedAtMs) / tasks);
    }
  }
}
