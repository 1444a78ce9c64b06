import type { Clock } from '@karst/shared/clock.ts';
import { jobIdSchema } from '@karst/shared/protocol/ids.ts';
import { Queue, type Job as QueueJob, Worker } from 'bullmq';
import type { Logger } from 'pino';
import { z } from 'zod';
import type { Redis } from '../store/connection.ts';
import { keys } from '../store/keys.ts';

/** A task's pictures, or (once the step has ended) its contact sheet, films and missing frames. */
const previewWorkSchema = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('task'),
    jobId: jobIdSchema,
    step: z.int(),
    task: z.int(),
    epoch: z.int(),
  }),
  z.object({ kind: z.literal('step'), jobId: jobIdSchema, step: z.int(), endedAtMs: z.number() }),
]);
export type PreviewWork = z.infer<typeof previewWorkSchema>;

const QUEUE = 'previews';
/** While nobody makes previews, Redis must not fill up: a step's end makes up for tasks left out. */
const WAITING_MAX = 20_000;
const LOOK_MS = 1000;
const TRIES = 4;
const FIRST_RETRY_MS = 2000;
/** A step's films may take minutes; the lock is renewed while its process lives. */
const LOCK_MS = 30_000;
/** Failed work is remembered for so long, and not tried anew whoever asks. */
const FAILED_SECONDS = 900;

const nameOf = (work: PreviewWork): string =>
  work.kind === 'task'
    ? `${work.jobId}/${work.step}/${work.task}/${work.epoch}`
    : `${work.jobId}/${work.step}/end/${work.endedAtMs}`;

const optionsOf = (work: PreviewWork) => ({
  jobId: nameOf(work),
  attempts: TRIES,
  backoff: { type: 'exponential', delay: FIRST_RETRY_MS },
  removeOnComplete: true,
  removeOnFail: { age: FAILED_SECONDS, count: 1000 },
  // Behind all tasks: it would have to do what they have not done.
  ...(work.kind === 'step' ? { priority: 1 } : {}),
});

/** The orchestrator's end of the queue. What is queued already is left alone. */
export class PreviewQueue {
  private readonly queue: Queue;
  private readonly clock: Clock;
  private lookedAtMs = Number.NEGATIVE_INFINITY;
  private waiting = 0;

  constructor(connection: Redis, clock: Clock, logger: Logger) {
    this.clock = clock;
    this.queue = new Queue(QUEUE, {
      connection,
      prefix: keys.previewQueuePrefix(),
      streams: { events: { maxLen: 1 } },
    });
    this.queue.on('error', (error) => logger.warn({ err: error.message }, 'bullmq error'));
  }

  /** Adds what there is room for. */
  async add(works: readonly PreviewWork[]): Promise<void> {
    if (works.length === 0) return;
    const nowMs = this.clock.monotonicMs();
    if (nowMs - this.lookedAtMs > LOOK_MS) {
      this.waiting = await this.queue.getJobCountByTypes('waiting', 'prioritized', 'delayed');
      this.lookedAtMs = nowMs;
    }
    const taken = works.slice(0, Math.max(0, WAITING_MAX - this.waiting));
    this.waiting += taken.length;
    await this.queue.addBulk(
      taken.map((work) => ({ name: work.kind, data: work, opts: optionsOf(work) })),
    );
  }

  async close(): Promise<void> {
    await this.queue.close();
  }
}

export interface PreviewWorker {
  /** Lets what is under way finish. */
  close(): Promise<void>;
}

/** Takes work off the queue, so much at once. `connection` must wait for a server that is away. */
export function startPreviewWorker(
  connection: Redis,
  work: (work: PreviewWork) => Promise<void>,
  options: { concurrency: number; logger: Logger },
): PreviewWorker {
  const { concurrency, logger } = options;
  const worker = new Worker(
    QUEUE,
    async (job: QueueJob) => {
      await work(previewWorkSchema.parse(job.data));
    },
    { connection, prefix: keys.previewQueuePrefix(), concurrency, lockDuration: LOCK_MS },
  );
  worker.on('error', (error) => logger.warn({ err: error.message }, 'bullmq error'));
  worker.on('failed', (job, error) =>
    logger.warn({ err: error.message, work: job?.id, tries: job?.attemptsMade }, 'preview failed'),
  );
  return { close: () => worker.close() };
}
