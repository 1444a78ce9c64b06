import { type JobId, studioIdSchema } from '@karst/shared/protocol/ids.ts';
import { objectKeys } from '../objects/keys.ts';
import type { Redis } from '../store/connection.ts';
import { keys } from '../store/keys.ts';
import { HistoryPage } from './page.ts';
import { PageCache } from './page-cache.ts';
import { type PageEntry, pageOf, unpackEntry } from './page-name.ts';

const CACHE_BYTES_MAX = 64 * 1024 * 1024;
/** Pages fetched at once for one request. */
const FETCHES_AT_ONCE = 8;

/**
 * Reads details that were paged out. Callers read Redis first and then ask here: a page is written
 * before its details leave Redis, so what is found in neither was never there.
 */
export class HistoryReader {
  private readonly redis: Redis;
  private readonly getText: (objectKey: string) => Promise<string | undefined>;
  private readonly cache = new PageCache(CACHE_BYTES_MAX);
  private readonly fetching = new Map<string, Promise<HistoryPage | undefined>>();

  constructor(redis: Redis, getText: (objectKey: string) => Promise<string | undefined>) {
    this.redis = redis;
    this.getText = getText;
  }

  /** The pages that hold these tasks, as far as any was paged out, by number. */
  async pagesOf(
    jobId: JobId,
    step: number,
    tasks: readonly number[],
    wanted: (entry: PageEntry) => boolean = () => true,
  ): Promise<Map<number, HistoryPage>> {
    const numbers = [...new Set(tasks.map(pageOf))];
    if (numbers.length === 0) return new Map();
    const texts = await this.redis.hmget(keys.pages(jobId, step), ...numbers.map(String));
    const found = new Map<number, HistoryPage>();
    const left = numbers.flatMap((page, i) => {
      const text = texts[i];
      return text && wanted(unpackEntry(text)) ? [{ page, entry: text }] : [];
    });
    const lane = async () => {
      for (let next = left.pop(); next !== undefined; next = left.pop()) {
        found.set(next.page, await this.fetch(jobId, step, next.page, next.entry));
      }
    };
    await Promise.all(Array.from({ length: Math.min(left.length, FETCHES_AT_ONCE) }, lane));
    return found;
  }

  private async fetch(
    jobId: JobId,
    step: number,
    page: number,
    entry: string,
  ): Promise<HistoryPage> {
    let current = entry;
    for (;;) {
      const { name } = unpackEntry(current);
      const read = await this.read(jobId, step, name);
      if (read !== undefined) return read;
      // Another object may have taken its place since.
      const now = await this.redis.hget(keys.pages(jobId, step), String(page));
      if (now === null || now === current) {
        throw new Error(
          `details of job ${jobId}, step ${step} are gone from storage: page ${name}`,
        );
      }
      current = now;
    }
  }

  private async read(jobId: JobId, step: number, name: string): Promise<HistoryPage | undefined> {
    const id = `${jobId}/${step}/${name}`;
    const known = this.cache.get(id);
    if (known !== undefined) return known;
    const started = this.fetching.get(id) ?? this.load(jobId, step, name, id);
    this.fetching.set(id, started);
    try {
      return await started;
    } finally {
      this.fetching.delete(id);
    }
  }

  private async load(
    jobId: JobId,
    step: number,
    name: string,
    id: string,
  ): Promise<HistoryPage | undefined> {
    const studio = studioIdSchema.parse(await this.redis.hget(keys.job(jobId), 'studio'));
    const text = await this.getText(objectKeys.history(studio, jobId, step, name));
    if (text === undefined) return undefined;
    const page = HistoryPage.parse(text);
    this.cache.set(id, page, text.length);
    return page;
  }
}
