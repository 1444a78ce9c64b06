import type { Clock } from '@karst/shared/clock.ts';
import type { JobId, LeaseId, NodeId } from '@karst/shared/protocol/ids.ts';
import { terminalJobStates } from '@karst/shared/protocol/job.ts';
import type { LeaseReport, TaskResult } from '@karst/shared/protocol/lease.ts';
import type { SyncResponse } from '@karst/shared/protocol/node.ts';
import type { Verdict } from '../domain/failure-class.ts';
import { retryDelayMs } from '../domain/retry-delay.ts';
import type { Aftermath } from '../jobs/aftermath.ts';
import type { JobEvents } from '../jobs/job-events.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { ObjectStore } from '../objects/store.ts';
import type { SpanQueue } from '../queue/span-queue.ts';
import type { Effects } from '../store/effects.ts';
import type { JobStore } from '../store/job-store.ts';
import type { ReportedLease, SpanStore } from '../store/span-store.ts';
import type { Seen, SeenFailure } from './node-watch.ts';
import { withConflict } from './path-conflicts.ts';
import { reportBatches } from './report-batches.ts';
import { type JudgedReport, ReportJudge } from './report-judge.ts';
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
  outputsAccepted(jobId: JobId, sizesBytes: readonly number[]): Promise<void>;
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

interface Judged extends JudgedReport {
  report: LeaseReport;
  preempted: PreemptedLease | undefined;
}

interface Recorded extends Judged {
  reported: ReportedLease;
}

/** Records what nodes report, through the fence. */
export class ReportService {
  private readonly parts: ReportParts;
  private readonly judge: ReportJudge;

  constructor(parts: ReportParts) {
    this.parts = parts;
    this.judge = new ReportJudge(parts);
  }

  /** Answers one outcome for each report. `preempted`: what a lease was told to end for, if anything. */
  async record(
    nodeId: NodeId,
    reports: readonly LeaseReport[],
    preempted: (leaseId: LeaseId) => PreemptedLease | undefined = () => undefined,
  ): Promise<ReportOutcome[]> {
    const outcomes = new Map<LeaseReport, ReportOutcome>();
    const judged = await Promise.all(
      reports.map(async (report): Promise<Judged> => {
        const { results, judge } = await this.judge.judged(report);
        return { report, results, judge, preempted: preempted(report.leaseId) };
      }),
    );
    await Promise.all(
      reportBatches(judged).map(async (batch) => {
        const told = await this.recordBatch(nodeId, batch);
        for (const [report, outcome] of told) outcomes.set(report, outcome);
      }),
    );
    return reports.map((report) => {
      const outcome = outcomes.get(report);
      if (outcome === undefined) throw new Error(`lease ${report.leaseId} was left out`);
      return outcome;
    });
  }

  /** Leases of one step. */
  private async recordBatch(
    nodeId: NodeId,
    batch: readonly [Judged, ...Judged[]],
  ): Promise<[LeaseReport, ReportOutcome][]> {
    const nowMs = this.parts.clock.nowMs();
    const leases = batch.map(
      ({ report: { spanId, leaseId, epoch }, results, judge, preempted }) => {
        const words = results.map((result) =>
          result.outcome === 'returned' && preempted !== undefined
            ? preemptedWords(nodeId, epoch, result, preempted, nowMs)
            : resultWords(nodeId, epoch, result, judge),
        );
        return { spanId, leaseId, epoch, results: words };
      },
    );
    const place = batch[0].report;
    const { leases: told, effects } = await this.parts.spans.report(nodeId, place, nowMs, leases);
    const recorded = batch.map((judged, i): Recorded => {
      const reported = told[i];
      if (reported === undefined) throw new Error('fewer leases were answered than told of');
      return { ...judged, reported };
    });
    const lost = recorded.filter(({ reported }) => reported.status === 'lost').length;
    if (lost > 0) this.parts.metrics.attemptsFenced(lost);
    const accepted = recorded.filter(({ reported }) => reported.status === 'accepted');
    if (accepted.length > 0) await this.follow(place, accepted, effects);
    const jobOver = effects.job !== '' && terminalJobStates.has(effects.job);
    const [settled, outcomes] = await Promise.all([
      this.settleConflicts(nodeId, recorded),
      Promise.all(
        recorded
          .filter(({ reported }) => reported.status !== 'conflict')
          .map((one) => this.outcomeOf(one, jobOver)),
      ),
    ]);
    return [...outcomes, ...settled];
  }

  private async outcomeOf(
    { report, results, judge, reported: { status, released } }: Recorded,
    jobOver: boolean,
  ): Promise<[LeaseReport, ReportOutcome]> {
    const isNews = status === 'accepted';
    const answer: Answer = { leaseId: report.leaseId, status: isNews ? 'accepted' : 'lost' };
    if (status === 'refused') {
      answer.status = 'refused';
      answer.message = 'results must follow each other in the order of the span, within the lease';
    }
    if (jobOver) answer.jobOver = true;
    const seen = isNews ? await this.seen(report, results, judge) : nothingSeen;
    return [report, { answer, released, seen }];
  }

  /** Of leases that were not recorded, the success that wrote another task's output has failed. */
  private async settleConflicts(
    nodeId: NodeId,
    recorded: readonly Recorded[],
  ): Promise<[LeaseReport, ReportOutcome][]> {
    const told = recorded.flatMap(({ reported: { conflict }, ...judged }) =>
      conflict === undefined ? [] : [{ judged, conflict }],
    );
    const settled = await Promise.all(
      told.map(async ({ judged, conflict }) => {
        const definition = await this.parts.jobs.definition(judged.report.jobId);
        const name = definition?.job.steps[conflict.step]?.name ?? `step ${conflict.step}`;
        return withConflict(judged, conflict, name);
      }),
    );
    const [first, ...rest] = settled;
    return first === undefined ? [] : await this.recordBatch(nodeId, [first, ...rest]);
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

  private async follow(
    { jobId, step }: Pick<LeaseReport, 'jobId' | 'step'>,
    accepted: readonly Recorded[],
    effects: Effects,
  ): Promise<void> {
    const requeued = accepted.filter(({ reported }) => reported.requeued);
    if (requeued.length > 0) {
      const spanIds = requeued.map(({ report }) => report.spanId);
      await this.parts.queue.putBack({ jobId, step }, spanIds);
      await this.parts.aftermath.spansQueued(jobId, step, []);
    }
    // Before what follows from them: a watcher who leaves at the job's end has heard of every task.
    for (const one of accepted) {
      for (const result of one.results) {
        this.measure(result, one.preempted);
        await this.tell(one, result, effects);
      }
    }
    if (effects.finished.length > 0) await this.finished(jobId, step, effects.finished);
    await this.parts.aftermath.apply(jobId, step, effects, ({ task, failures }) => {
      for (const { results, judge } of accepted) {
        for (const result of results) {
          if (result.outcome !== 'failed' || result.first !== task) continue;
          const { delayMs, fault } = judge(result);
          return delayMs ?? retryDelayMs(failures, fault);
        }
      }
      return retryDelayMs(failures);
    });
    const sizes = accepted
      .flatMap((one) => one.results)
      .flatMap((result) => (result.outcome === 'succeeded' ? (result.outputs ?? []) : []))
      .map(({ sizeBytes }) => sizeBytes);
    if (sizes.length > 0) await this.parts.outputsAccepted(jobId, sizes);
    if (effects.ended.length > 0) this.parts.stepEnded();
  }

  /** All tasks of a gang have succeeded, with this report. */
  private async finished(jobId: JobId, step: number, tasks: readonly number[]): Promise<void> {
    await this.parts.listForPublishing(jobId);
    for (const task of tasks) {
      await this.parts.events.tasksChanged(jobId, step, task, task, 'succeeded');
    }
    await this.parts.outputsAccepted(jobId, []);
  }

  private async tell(
    { report: { jobId, step }, reported, preempted }: Recorded,
    result: TaskResult,
    effects: Effects,
  ): Promise<void> {
    const { first, last, outcome } = result;
    if (reported.runsOn) return;
    const retried = effects.retries.some(({ task }) => task === first);
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
      if (preempt.reason !== 'gang') {
        this.parts.metrics.preempted(victim.priorityClass, preempt.reason);
      }
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
