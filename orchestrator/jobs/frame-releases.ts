import type { Clock } from '@karst/shared/clock.ts';
import type { ResolvedJob } from '@karst/shared/openjd/resolved-job.ts';
import { checkedFrameLinks, type FrameLink } from '@karst/shared/protocol/frame-dependencies.ts';
import type { JobId } from '@karst/shared/protocol/ids.ts';
import { neededTasks, waitingTasks } from '../domain/frame-needs.ts';
import { type SpanSizeLimits, spanSize } from '../domain/span-size.ts';
import type { Effects } from '../store/effects.ts';
import { meanTaskMs, tasksOfJob } from '../store/job-record.ts';
import type { JobStore } from '../store/job-store.ts';
import type { Release, ReleaseStore } from '../store/release-store.ts';

/** Entries of a job's list that are read at once. */
const ENTRIES_AT_ONCE = 100;
/** Tasks looked at in one Lua call. */
const TASKS_AT_ONCE = 500;

export interface ReleaseParts {
  jobs: JobStore;
  releases: ReleaseStore;
  clock: Clock;
  spanLimits: SpanSizeLimits;
  /** Queues spans, as after any transition. */
  queue(jobId: JobId, step: number, spanIds: readonly number[]): Promise<void>;
  /** All that follows from effects but releases: these are seen to here. */
  follow(jobId: JobId, step: number, effects: Effects): Promise<void>;
}

interface Frames {
  job: ResolvedJob;
  /** By step. */
  links: FrameLink[][];
}

/**
 * Lets tasks run that wait for single tasks of other steps. What was done is on a list of the job that
 * the Lua call wrote which did it; it is gone through in order, and an entry leaves the list when all
 * that follows from it has been done. Any replica may do so, several at once and again: feeding a task
 * twice does nothing, and what a step that failed cancels comes after what it had done.
 */
export class FrameReleases {
  private readonly parts: ReleaseParts;
  private readonly draining = new Map<JobId, { again: boolean; done: Promise<void> }>();

  constructor(parts: ReleaseParts) {
    this.parts = parts;
  }

  /** Goes through what the job's list holds now. */
  async drain(jobId: JobId): Promise<void> {
    const known = this.draining.get(jobId);
    if (known !== undefined) {
      // It may be past its last look at the list.
      known.again = true;
      await known.done;
      return;
    }
    const state = { again: true, done: Promise.resolve() };
    this.draining.set(jobId, state);
    state.done = this.drainAll(jobId, state);
    await state.done;
  }

  private async drainAll(jobId: JobId, state: { again: boolean }): Promise<void> {
    try {
      while (state.again) {
        state.again = false;
        while (await this.drainSome(jobId));
      }
    } finally {
      // At once with the last look at `again`: who comes later drains anew.
      this.draining.delete(jobId);
    }
  }

  /** Answers whether there were any. */
  private async drainSome(jobId: JobId): Promise<boolean> {
    const entries = await this.parts.releases.list(jobId, ENTRIES_AT_ONCE);
    const frames = entries.length === 0 ? undefined : await this.framesOf(jobId);
    for (const entry of entries) {
      if (frames !== undefined) await this.release(jobId, frames, entry);
      await this.parts.releases.strikeOff(jobId, entry);
    }
    return entries.length > 0;
  }

  private async framesOf(jobId: JobId): Promise<Frames | undefined> {
    const job = await this.parts.jobs.read(jobId);
    if (job === undefined) return undefined;
    // Entries that were listed before the job was read are of no tasks that came later.
    const definition = await this.parts.jobs.definition(jobId, { tasks: tasksOfJob(job) });
    if (definition === undefined) return undefined;
    const links = checkedFrameLinks(definition.job, job.policy.steps);
    return { job: definition.job, links };
  }

  private async release(jobId: JobId, frames: Frames, entry: Release): Promise<void> {
    for (const [step, links] of frames.links.entries()) {
      const link = links.find(({ dependency }) => dependency === entry.step);
      const own = frames.job.steps[step];
      if (link === undefined || own === undefined) continue;
      if (entry.tasks === undefined) {
        if (await this.cancel(jobId, step, entry.step)) continue;
        const unfed = await this.parts.releases.unfed(jobId, step, own.taskCount);
        await this.feed(jobId, frames, step, unfed);
      } else {
        const other = frames.job.steps[entry.step]?.parameterSpace;
        const tasks = waitingTasks(link, own.parameterSpace, other, entry.tasks);
        await this.feed(jobId, frames, step, tasks);
      }
    }
  }

  private async feed(
    jobId: JobId,
    { job, links }: Frames,
    step: number,
    tasks: readonly number[],
  ): Promise<void> {
    if (tasks.length === 0) return;
    const record = await this.parts.jobs.step(jobId, step);
    if (record === undefined) return;
    // These few are all that is known to be ready: a third of them at most goes to one slot.
    const facts = { remaining: tasks.length, slots: 1, meanTaskMs: meanTaskMs(record) };
    const size = spanSize(facts, this.parts.spanLimits);
    const spaceOf = (of: number) => job.steps[of]?.parameterSpace;
    for (let from = 0; from < tasks.length; from += TASKS_AT_ONCE) {
      const asked = tasks.slice(from, from + TASKS_AT_ONCE).map((task) => ({
        task,
        needs: neededTasks(links[step] ?? [], spaceOf, spaceOf(step), task),
      }));
      const spanIds = await this.parts.releases.releaseTasks(jobId, step, size, asked);
      if (spanIds.length > 0) await this.parts.queue(jobId, step, spanIds);
    }
  }

  /** Whether tasks were canceled, as the other step has ended without success. */
  private async cancel(jobId: JobId, step: number, dependency: number): Promise<boolean> {
    const nowMs = this.parts.clock.nowMs();
    const { canceled, effects } = await this.parts.releases.cancelUnfed(
      jobId,
      step,
      dependency,
      nowMs,
    );
    if (canceled > 0) await this.parts.follow(jobId, step, effects);
    return canceled > 0;
  }
}
