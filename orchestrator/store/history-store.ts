import type { JobId } from '@karst/shared/protocol/ids.ts';
import type { PageDetails } from '../history/page.ts';
import { PAGE_TASKS, type PageEntry, packEntry, unpackEntry } from '../history/page-name.ts';
import type { Redis } from './connection.ts';
import { keys } from './keys.ts';
import { asArray, asInteger, asText, inPairs } from './reply.ts';
import { loadScript } from './script.ts';

const duePagesScript = loadScript('due_pages');
const readPageScript = loadScript('read_page');
const takePageScript = loadScript('take_page');

export interface DuePage {
  step: number;
  page: number;
}

export interface TaskRange {
  first: number;
  last: number;
}

/** A page's tasks at one moment. */
export interface PageSnapshot {
  reopens: string;
  entry: PageEntry | undefined;
  finished: TaskRange[];
  details: PageDetails;
}

const byTask = <V>(words: unknown, value: (text: string) => V): Map<number, V> =>
  new Map(inPairs(asArray(words)).map(([task, text]) => [Number(task), value(text)]));

/** Details of finished tasks on their way out of Redis. */
export class HistoryStore {
  private readonly redis: Redis;

  constructor(redis: Redis) {
    this.redis = redis;
  }

  /** Pages that have details to be paged out: whole ones, ones with `dueTasks`, all of ended steps. */
  async duePages(jobId: JobId, dueTasks: number, pagesMax: number): Promise<DuePage[]> {
    const reply = await duePagesScript.run(
      this.redis,
      { job_key: keys.job(jobId) },
      { now_ms: 0, page_tasks: PAGE_TASKS, due_tasks: dueTasks, pages_max: pagesMax },
    );
    const words = asArray(reply).map(asInteger);
    const due: DuePage[] = [];
    for (let i = 0; i + 1 < words.length; i += 2) {
      due.push({ step: words[i] ?? 0, page: words[i + 1] ?? 0 });
    }
    return due;
  }

  async read(jobId: JobId, { step, page }: DuePage, taskCount: number): Promise<PageSnapshot> {
    const first = page * PAGE_TASKS;
    const reply = asArray(
      await readPageScript.run(
        this.redis,
        { step_key: keys.step(jobId, step) },
        { page, first, last: Math.min(first + PAGE_TASKS, taskCount) - 1 },
      ),
    );
    const bounds = asArray(reply[2]).map(asInteger);
    const finished: TaskRange[] = [];
    for (let i = 0; i + 1 < bounds.length; i += 2) {
      finished.push({ first: bounds[i] ?? 0, last: bounds[i + 1] ?? 0 });
    }
    const name = asText(reply[1]);
    return {
      reopens: asText(reply[0]),
      entry: name === '' ? undefined : unpackEntry(name),
      finished,
      details: {
        runs: asArray(reply[3]).map(asText),
        attempts: byTask(reply[4], String),
        outputs: byTask(reply[5], String),
        failures: new Map(
          inPairs(asArray(reply[6])).map(([task, count]) => [Number(task), Number(count)]),
        ),
      },
    };
  }

  /**
   * Takes the details of `ranges` out of Redis, which stand in `entry` now; with the snapshot's own
   * entry, only notes that `handled` finished tasks were looked at. False, and nothing has changed, when
   * tasks of the step were reopened since, or another was faster.
   */
  async take(
    jobId: JobId,
    { step, page }: DuePage,
    snapshot: PageSnapshot,
    taken: { entry: PageEntry | undefined; handled: number; ranges: readonly TaskRange[] },
  ): Promise<boolean> {
    const packed = (entry: PageEntry | undefined) => (entry === undefined ? '' : packEntry(entry));
    const reply = await takePageScript.run(
      this.redis,
      { step_key: keys.step(jobId, step) },
      {
        page,
        reopens: snapshot.reopens,
        old_name: packed(snapshot.entry),
        new_name: packed(taken.entry),
        handled: taken.handled,
      },
      taken.ranges.flatMap(({ first, last }) => [first, last]),
    );
    return asInteger(reply) === 1;
  }

  /** Notes pages that storage holds, after Redis was lost; those it knows stay. */
  async restore(
    jobId: JobId,
    step: number,
    entries: ReadonlyMap<number, PageEntry>,
  ): Promise<void> {
    for (const [page, entry] of entries) {
      await this.redis.hsetnx(keys.pages(jobId, step), String(page), packEntry(entry));
    }
    if (entries.size > 0) await this.redis.hset(keys.step(jobId, step), 'outputs_paged', 1);
  }
}
