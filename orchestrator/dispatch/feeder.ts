import { type SpanSizeLimits, spanSize } from '../domain/span-size.ts';
import type { SpanQueue } from '../queue/span-queue.ts';
import type { Shape } from '../scheduler/shape.ts';
import { meanTaskMs } from '../store/job-record.ts';
import type { JobStore } from '../store/job-store.ts';
import type { SpanStore } from '../store/span-store.ts';
import type { RunnableStep } from './runnable-steps.ts';

const BUFFER_SPANS_MIN = 16;
const BUFFER_SPANS_MAX = 1024;
/** Spans kept queued for each slot: enough that a slot need not wait, few enough to stay fresh. */
const BUFFER_SPANS_PER_SLOT = 2;

/** Keeps a shallow buffer of spans on each runnable step's queue. */
export class Feeder {
  private readonly jobs: JobStore;
  private readonly spans: SpanStore;
  private readonly queue: SpanQueue;
  private readonly limits: SpanSizeLimits;
  private readonly slots: (shape: Shape) => number;

  constructor(
    jobs: JobStore,
    spans: SpanStore,
    queue: SpanQueue,
    limits: SpanSizeLimits,
    slots: (shape: Shape) => number,
  ) {
    this.jobs = jobs;
    this.spans = spans;
    this.queue = queue;
    this.limits = limits;
    this.slots = slots;
  }

  private bufferSpans(step: RunnableStep): number {
    const wanted = this.slots(step.shape) * BUFFER_SPANS_PER_SLOT;
    return Math.min(Math.max(wanted, BUFFER_SPANS_MIN), BUFFER_SPANS_MAX);
  }

  isLow(step: RunnableStep): boolean {
    return !step.allFed && step.buffered < this.bufferSpans(step) / 2;
  }

  /** Makes and queues the step's next spans; answers how many. Calls in parallel share one feed. */
  feed(step: RunnableStep): Promise<number> {
    step.feeding ??= this.feedOnce(step).finally(() => {
      step.feeding = undefined;
    });
    return step.feeding;
  }

  private async feedOnce(step: RunnableStep): Promise<number> {
    if (step.allFed) return 0;
    const record = await this.jobs.step(step.jobId, step.step);
    if (record === undefined) return 0;
    step.meanTaskMs = meanTaskMs(record);
    const size = spanSize(
      {
        remaining: record.total - record.cursor,
        slots: this.slots(step.shape),
        meanTaskMs: step.meanTaskMs,
      },
      this.limits,
    );
    const count = Math.max(this.bufferSpans(step) - step.buffered, 1);
    const made = await this.spans.createSpans(step.jobId, step.step, size, count);
    await this.queue.add(step, made.spanIds);
    step.buffered += made.spanIds.length;
    step.allFed = made.remaining === 0;
    return made.spanIds.length;
  }
}
