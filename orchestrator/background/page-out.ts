import type { Clock } from '@karst/shared/clock.ts';
import { type JobId, jobIdSchema, type StudioId } from '@karst/shared/protocol/ids.ts';
import { terminalJobStates } from '@karst/shared/protocol/job.ts';
import type { Random } from '@karst/shared/random.ts';
import type { HistoryReader } from '../history/history-reader.ts';
import { emptyPage, HistoryPage, type PageDetails } from '../history/page.ts';
import { nextPageName, PAGE_TASKS } from '../history/page-name.ts';
import { withoutTasks } from '../history/task-ranges.ts';
import type { JobEvents } from '../jobs/job-events.ts';
import { objectKeys } from '../objects/keys.ts';
import type { ObjectStore } from '../objects/store.ts';
import type { Redis } from '../store/connection.ts';
import type { DuePage, HistoryStore, TaskRange } from '../store/history-store.ts';
import type { JobStore } from '../store/job-store.ts';
import { keys } from '../store/keys.ts';
import { underLock } from './job-lock.ts';
import type { Pass } from './pass.ts';

/** Pages of one job looked at under one lock, and at once. */
const PAGES_MAX = 100;
const PAGES_AT_ONCE = 2;
/** A page that is not whole is written when so many of its tasks have finished since: few writes each. */
const DUE_TASKS = PAGE_TASKS / 2;
/** Details that cost less stay: long runs of bare successes. */
const BYTES_PER_TASK_KEPT = 8;
/** What Redis takes for an entry beside its text, about. */
const ENTRY_BYTES = 64;
/** Jobs looked at in turn by so many at once. */
const JOBS_AT_ONCE = 8;

export interface PageOutParts {
  redis: Redis;
  jobs: JobStore;
  objects: ObjectStore;
  events: JobEvents;
  history: HistoryReader;
  historyStore: HistoryStore;
  clock: Clock;
  random: Random;
  periodMs: number;
}

/**
 * Moves details of finished tasks (attempts, outputs, failures) from Redis to storage, a page of
 * consecutive tasks at a time. A page's new object is written first; then one Lua call takes out of
 * Redis exactly what was read and names the object, if nothing has changed since. Whoever dies in
 * between leaves an object that nobody reads.
 */
export function pageOutPass(parts: PageOutParts): Pass {
  const { redis, jobs, objects, events, history, historyStore } = parts;

  /** Tasks of the step whose outputs are not published yet: publishing reads them from Redis. */
  async function unpublished(jobId: JobId, step: number): Promise<Set<number>> {
    const entries = await redis.lrange(keys.unpublished(jobId), 0, -1);
    const found = new Set<number>();
    for (const entry of entries) {
      const [of, task] = entry.split(':');
      if (Number(of) === step) found.add(Number(task));
    }
    return found;
  }

  /** Answers whether the page was dealt with. */
  async function pageOut(jobId: JobId, studio: StudioId, due: DuePage): Promise<boolean> {
    const taskCount = (await jobs.step(jobId, due.step))?.total ?? 0;
    const snapshot = await historyStore.read(jobId, due, taskCount);
    const { entry, details, finished } = snapshot;
    // Looked at after the outputs were read: what is not listed then has been published.
    const held = details.outputs.size > 0 ? await unpublished(jobId, due.step) : new Set<number>();
    const ranges = withoutTasks(finished, held);
    const taken = within(details, ranges);
    const handled = ranges.reduce((sum, { first, last }) => sum + last - first + 1, 0);
    const isWhole = ranges.length === finished.length;
    if (!isWhole && handled < DUE_TASKS) return false;
    if (weight(taken) <= BYTES_PER_TASK_KEPT * handled) {
      return await historyStore.take(jobId, due, snapshot, { entry, handled, ranges: [] });
    }
    const former =
      entry === undefined
        ? undefined
        : (await history.pagesOf(jobId, due.step, [due.page * PAGE_TASKS])).get(due.page);
    const page = (former ?? new HistoryPage(emptyPage)).with(taken);
    const name = nextPageName(due.page, entry?.name, parts.random.uuid());
    const key = objectKeys.history(studio, jobId, due.step, name);
    await objects.putText(key, page.toText(), 'application/json');
    const written = { entry: { name, hasOutputs: page.hasOutputs }, handled, ranges };
    const isTaken = await historyStore.take(jobId, due, snapshot, written);
    const over = isTaken ? entry?.name : name;
    if (over !== undefined) {
      await objects.delete(objectKeys.history(studio, jobId, due.step, over));
    }
    return isTaken;
  }

  async function pageOutJob(jobId: JobId): Promise<void> {
    const studio = await events.studioOf(jobId);
    if (studio === undefined) return;
    for (;;) {
      const due = await historyStore.duePages(jobId, DUE_TASKS, PAGES_MAX);
      let moved = 0;
      await inLanes(due, PAGES_AT_ONCE, async (page) => {
        if (await pageOut(jobId, studio, page)) moved += 1;
      });
      // What is held back waits for the next run.
      if (moved === 0) return;
    }
  }

  const isDue = async (jobId: JobId) =>
    (await historyStore.duePages(jobId, DUE_TASKS, 1)).length > 0;

  async function visit(jobId: JobId): Promise<void> {
    if (!(await isDue(jobId))) return;
    await underLock(parts, keys.pageOutLock(jobId), () => pageOutJob(jobId));
  }

  async function visitEnded(jobId: JobId): Promise<void> {
    await visit(jobId);
    if (await isDue(jobId)) return;
    const job = await jobs.read(jobId);
    if (job !== undefined && !terminalJobStates.has(job.state)) return;
    await redis.srem(keys.unpagedJobs(), jobId);
    // It may have run again and ended since.
    if (await isDue(jobId)) await redis.sadd(keys.unpagedJobs(), jobId);
  }

  return {
    name: 'page-out',
    periodMs: parts.periodMs,
    async runOnce() {
      await inLanes(await jobs.activeIds(), JOBS_AT_ONCE, visit);
      const ended = await redis.smembers(keys.unpagedJobs());
      await inLanes(ended, JOBS_AT_ONCE, (id) => visitEnded(jobIdSchema.parse(id)));
    },
  };
}

/** Of these details, those of the tasks in `ranges`. */
function within(details: PageDetails, ranges: readonly TaskRange[]): PageDetails {
  const has = (task: number) => ranges.some(({ first, last }) => first <= task && task <= last);
  const only = <V>(map: ReadonlyMap<number, V>) => new Map([...map].filter(([task]) => has(task)));
  return {
    runs: details.runs.filter((run) => has(Number.parseInt(run, 10))),
    attempts: only(details.attempts),
    outputs: only(details.outputs),
    failures: only(details.failures),
  };
}

/** What the details take in Redis, bytes, about. */
function weight({ runs, attempts, outputs, failures }: PageDetails): number {
  const texts = [...runs, ...attempts.values(), ...outputs.values()];
  return texts.reduce((sum, text) => sum + text.length + ENTRY_BYTES, failures.size * ENTRY_BYTES);
}

async function inLanes<T>(
  items: readonly T[],
  lanes: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  let next = 0;
  const lane = async () => {
    while (next < items.length) {
      const item = items[next++];
      if (item !== undefined) await work(item);
    }
  };
  await Promise.all(Array.from({ length: Math.min(lanes, items.length) }, lane));
}
