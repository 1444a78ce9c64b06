import { type AdaptiveChunks, adaptiveChunks } from '@karst/shared/openjd/adaptive-chunks.ts';
import { partSizes } from '@karst/shared/openjd/space-parts.ts';
import { chunkSize } from '../domain/chunk-size.ts';
import { type SpanSizeLimits, spanSize } from '../domain/span-size.ts';
import { rangesFrom } from '../domain/task-order.ts';
import type { SpanQueue } from '../queue/span-queue.ts';
import type { Shape } from '../scheduler/shape.ts';
import { meanTaskMs, type StepRecord } from '../store/job-record.ts';
import type { JobStore } from '../store/job-store.ts';
import type { SpanStore } from '../store/span-store.ts';
import type { RunnableStep } from './runnable-steps.ts';

const BUFFER_SPANS_MIN = 16;
const BUFFER_SPANS_MAX = 1024;
/** Spans put on a step's queue at first, while nobody knows how long its tasks take. */
const FIRST_SPANS = 4;
/** Spans kept queued for each slot: enough that a slot need not wait, few enough to stay fresh. */
const BUFFER_SPANS_PER_SLOT = 2;
/** Spans that run as long as this or longer are offered singly, ms: what is gained is nothing beside it. */
const QUICK_SPAN_MS = 2000;
const OFFER_SPANS_MAX = 64;

interface Made {
  remaining: number;
  spanIds: number[];
  /** Tasks of each, at most. */
  size: number;
}

/**
 * Puts a step's next tasks into spans: a shallow buffer of them ahead of demand, or, where chunks adapt
 * to their run time, one for each slot that asks: a chunk cut early could not heed what is measured
 * until it runs.
 */
export class Feeder {
  private readonly jobs: JobStore;
  private readonly spans: SpanStore;
  private readonly queue: SpanQueue;
  private readonly limits: SpanSizeLimits;
  private readonly slots: (shape: Shape) => number;
  private readonly waitingSteps: () => number;
  /** How many quick spans nodes took at once of late. */
  private readonly takenAtOnce: () => number;
  /** Told when a step's last spans stand on its queue. */
  private readonly lastQueued: (step: RunnableStep) => void;

  constructor(
    jobs: JobStore,
    spans: SpanStore,
    queue: SpanQueue,
    limits: SpanSizeLimits,
    slots: (shape: Shape) => number,
    waitingSteps: () => number,
    takenAtOnce: () => number,
    lastQueued: (step: RunnableStep) => void,
  ) {
    this.jobs = jobs;
    this.spans = spans;
    this.queue = queue;
    this.limits = limits;
    this.slots = slots;
    this.waitingSteps = waitingSteps;
    this.takenAtOnce = takenAtOnce;
    this.lastQueued = lastQueued;
  }

  private bufferSpans(step: RunnableStep): number {
    // Slots are shared by all the steps that wait for them.
    const share = this.slots(step.shape) / Math.max(this.waitingSteps(), 1);
    const wanted = Math.ceil(share) * BUFFER_SPANS_PER_SLOT;
    return Math.min(Math.max(wanted, BUFFER_SPANS_MIN), BUFFER_SPANS_MAX);
  }

  /**
   * Until a task has finished spans are one task long, and what is queued then stays so: few at first,
   * twice as many each time, so that quick tasks soon travel by hundreds and long ones lack nothing.
   */
  private wantedSpans(step: RunnableStep, record: StepRecord): number {
    const wanted = this.bufferSpans(step);
    if (step.meanTaskMs !== undefined) return wanted;
    return Math.min(wanted, Math.max(FIRST_SPANS, 2 * record.cursor));
  }

  /** Whether spans should be made before they are asked for. */
  isLow(step: RunnableStep): boolean {
    if (step.onDemand || step.allFed) return false;
    const low = step.meanTaskMs === undefined ? FIRST_SPANS : this.bufferSpans(step);
    return step.buffered < low / 2;
  }

  /**
   * Makes and queues the step's next spans; answers how many, 0 only when there are none. Calls in
   * parallel share one feed.
   */
  feed(step: RunnableStep): Promise<number> {
    step.wanted += 1;
    step.feeding ??= this.feedOnce(step).finally(() => {
      step.feeding = undefined;
    });
    return step.feeding;
  }

  private async feedOnce(step: RunnableStep): Promise<number> {
    for (;;) {
      if (step.allFed) return 0;
      const { wakes } = step;
      const record = await this.jobs.step(step.jobId, step.step);
      if (record === undefined) return 0;
      step.meanTaskMs = meanTaskMs(record);
      // Its tasks are fed as those they wait for end: see jobs/frame-releases.ts.
      if (record.frame_deps !== undefined) {
        step.allFed = true;
        return 0;
      }
      const known = { step: step.step, tasks: record.total };
      const definition = await this.jobs.definition(step.jobId, known);
      const space = definition?.job.steps[step.step]?.parameterSpace;
      const chunks = adaptiveChunks(space);
      const made =
        chunks === undefined
          ? await this.makeSpans(step, record, partSizes(space))
          : await this.makeChunks(step, record, chunks);
      // Another replica was first: what is behind the cursor now is another matter.
      if (made === 'moved') continue;
      const offerSpans = this.offerSpans(step, made.size);
      step.offerSpans = offerSpans;
      await this.queue.add(step, made.spanIds, { offerSpans });
      step.buffered += made.spanIds.length;
      // Unless it was woken meanwhile: tasks may have been added behind what was the last.
      step.allFed = made.remaining === 0 && step.wakes === wakes;
      // A replica that looked between the table and the queue has taken the step for empty: no feed of
      // its own will show it otherwise.
      if (step.allFed && made.spanIds.length > 0) this.lastQueued(step);
      // All that was passed over had succeeded already: there may be more behind it.
      if (made.spanIds.length > 0 || step.allFed) return made.spanIds.length;
    }
  }

  private async makeSpans(
    step: RunnableStep,
    record: StepRecord,
    sizes: readonly number[],
  ): Promise<Made | 'moved'> {
    const { total, cursor, order } = record;
    const end = Math.min(total, record.scout ?? total);
    const facts = {
      remaining: end - cursor,
      slots: this.slots(step.shape),
      meanTaskMs: step.meanTaskMs,
    };
    const size = step.gang === undefined ? spanSize(facts, this.limits) : 1;
    // Whoever asks has a slot that idles: one span for each, however early it is.
    const asked = Math.min(step.wanted, BUFFER_SPANS_MAX);
    step.wanted = 0;
    const lacking = Math.max(this.wantedSpans(step, record) - step.buffered, asked, 1);
    // Whole offers: each that is cut short leaves one that is cut short to the next node.
    const offerSpans = this.offerSpans(step, size);
    const count = Math.ceil(lacking / offerSpans) * offerSpans;
    if (order === undefined) {
      return { ...(await this.spans.createSpans(step.jobId, step.step, size, count)), size };
    }
    const listed = rangesFrom(order, sizes, { from: cursor, to: end, size, count });
    const made = await this.spans.listTasks(step.jobId, step.step, { cursor, ...listed });
    return made === 'moved' ? made : { ...made, size };
  }

  private async makeChunks(
    step: RunnableStep,
    record: StepRecord,
    { defaultTaskCount, targetRuntimeSeconds, reach }: AdaptiveChunks,
  ): Promise<Made | 'moved'> {
    const count = Math.max(1, Math.min(step.wanted, BUFFER_SPANS_MAX));
    step.wanted = 0;
    const lasts: number[] = [];
    let first = record.cursor;
    while (first < record.total && lasts.length < count) {
      const facts = {
        defaultTaskCount,
        targetRuntimeSeconds,
        measuredTasks: record.run_tasks,
        measuredMs: record.run_ms,
        remaining: record.total - first,
        slots: this.slots(step.shape),
      };
      const size = chunkSize(facts, this.limits.tasksMax);
      const last = Math.min(first + size - 1, reach(first));
      lasts.push(last);
      first = last + 1;
    }
    const made = await this.spans.createChunks(step.jobId, step.step, record.cursor, lasts);
    return made === 'moved' ? made : { ...made, size: this.limits.tasksMax };
  }

  /**
   * How many of a step's next spans, of `size` tasks, are offered together: as many as nodes took at
   * once of late, where they are over so soon that finding the next would take longer than running it.
   */
  private offerSpans(step: RunnableStep, size: number): number {
    const { onDemand, meanTaskMs } = step;
    step.isQuick = !onDemand && meanTaskMs !== undefined && meanTaskMs * size < QUICK_SPAN_MS;
    return step.isQuick ? Math.min(this.takenAtOnce(), OFFER_SPANS_MAX) : 1;
  }
}
