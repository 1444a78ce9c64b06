import { type PageOutParts, pageOutPass } from '@karst/orchestrator/background/page-out.ts';
import { HistoryReader } from '@karst/orchestrator/history/history-reader.ts';
import { JobEvents } from '@karst/orchestrator/jobs/job-events.ts';
import { createObjectStore, type ObjectStore } from '@karst/orchestrator/objects/store.ts';
import { packAttempt, packRun } from '@karst/orchestrator/store/attempt-record.ts';
import { HistoryStore } from '@karst/orchestrator/store/history-store.ts';
import { keys } from '@karst/orchestrator/store/keys.ts';
import { OutputReader } from '@karst/orchestrator/store/output-reader.ts';
import type { ResultWords, Span } from '@karst/orchestrator/store/span-store.ts';
import { TaskReader } from '@karst/orchestrator/store/task-reader.ts';
import { systemClock } from '@karst/shared/clock.ts';
import { newLeaseId, newNodeId } from '@karst/shared/protocol/ids.ts';
import { systemRandom } from '@karst/shared/random.ts';
import type { Redis } from 'ioredis';
import type { TestStorage } from '../../support/storage.ts';
import { RealFarm } from './real-farm.ts';
import { reportOne } from './report-one.ts';

const nodeId = newNodeId(systemRandom);

export function objectsOf(storage: TestStorage): ObjectStore {
  return createObjectStore({ ...storage, region: 'us-east-1', publicEndpoint: undefined });
}

/** What becomes of a task: bare success, success with a log or with outputs, failure. */
export type Outcome = 'b' | 'l' | 'o' | 't';

/** A job on real Redis and storage whose finished tasks are paged out by the real pass. */
export class PagingFarm {
  readonly farm: RealFarm;
  private readonly redis: Redis;
  private readonly objects: ObjectStore;
  private taskCount: number;

  private constructor(farm: RealFarm, redis: Redis, objects: ObjectStore, taskCount: number) {
    this.farm = farm;
    this.redis = redis;
    this.objects = objects;
    this.taskCount = taskCount;
  }

  static async make(redis: Redis, objects: ObjectStore, taskCount: number): Promise<PagingFarm> {
    const steps = [{ taskCount, dependsOn: [] }];
    const farm = await RealFarm.withJob(redis, { steps, maxRetries: 1, maxFailed: 9_999 });
    return new PagingFarm(farm, redis, objects, taskCount);
  }

  async addTasks(tasks: number): Promise<void> {
    if (!(await this.farm.extend(0, tasks, false))) throw new Error('the step took no tasks');
    this.taskCount += tasks;
  }

  /** Runs the pass once; `after` is told when a page's object was written and nothing else yet. */
  async pageOut(after: (key: string) => Promise<void> = async () => undefined): Promise<void> {
    const { jobs, jobId } = this.farm;
    const objects: ObjectStore = {
      ...this.objects,
      putText: async (...words) => {
        await this.objects.putText(...words);
        await after(words[0]);
      },
    };
    const parts: PageOutParts = {
      redis: this.redis,
      jobs,
      objects,
      events: new JobEvents(jobs, { publish: () => undefined }),
      history: this.history(),
      historyStore: new HistoryStore(this.redis),
      clock: systemClock,
      random: systemRandom,
      periodMs: 1000,
    };
    await this.redis.sadd(keys.unpagedJobs(), jobId);
    await pageOutPass(parts).runOnce();
  }

  /** As a replica that has read nothing yet. */
  private history(): HistoryReader {
    return new HistoryReader(this.redis, this.objects.getText);
  }

  /** All tasks and all outputs, as the API reads them. */
  async read() {
    const { jobId, spans } = this.farm;
    const tasks = new TaskReader(this.redis, spans, this.history());
    const query = { from: 0, limit: this.taskCount, state: undefined, taskCount: this.taskCount };
    const { facts } = await tasks.page(jobId, 0, query);
    return { facts, outputs: await this.outputs() };
  }

  /** Every accepted output, listed 70 at a time. */
  async outputs(): Promise<string[]> {
    const reader = new OutputReader(this.redis, this.history());
    const found: string[] = [];
    let place: { step: number; task: number; file: number } | undefined = {
      step: 0,
      task: 0,
      file: 0,
    };
    while (place !== undefined) {
      const page = await reader.page(this.farm.jobId, place, 0, 70);
      found.push(...page.files.map(({ task, epoch, path }) => `${task} ${epoch} ${path}`));
      place = page.next;
    }
    return found;
  }

  /** Details that stand in Redis: attempts, outputs and failures by field, runs. */
  async left(): Promise<number> {
    const { jobId } = this.farm;
    const counts = await Promise.all([
      this.redis.hlen(keys.attempts(jobId, 0)),
      this.redis.hlen(keys.outputs(jobId, 0)),
      this.redis.hlen(keys.failures(jobId, 0)),
      this.redis.zcard(keys.runs(jobId, 0)),
    ]);
    return counts.reduce((sum, count) => sum + count, 0);
  }

  /** Makes spans of up to `size` tasks, `count` at most. */
  async feed(size: number, count: number): Promise<void> {
    await this.farm.spans.createSpans(this.farm.jobId, 0, size, count);
  }

  /** Runs everything that is queued; `outcome` tells what becomes of each task. */
  async runQueued(outcome: (task: number) => Outcome): Promise<void> {
    const table = await this.farm.spans.list(this.farm.jobId, 0);
    for (const span of table) if (span.state === 'queued') await this.run(span, outcome);
  }

  private async run(span: Span, outcome: (task: number) => Outcome): Promise<void> {
    const { spans, jobId } = this.farm;
    const leaseId = newLeaseId(systemRandom);
    const wanted = [{ spanId: span.spanId, leaseId }];
    const granted = await spans.grant(jobId, 0, nodeId, this.farm.nowMs(), wanted);
    const grant = granted.status === 'granted' ? granted.spans[0] : undefined;
    if (grant === undefined || grant === null) throw new Error('the span was not granted');
    const { first, last, epoch } = grant;
    const results: ResultWords[] = [];
    for (let task = first; task <= last; task++) {
      const code = outcome(task);
      const before = results.at(-1);
      if (code === 'b' && before?.code === 'b') before.last = task;
      else results.push(this.result(task, epoch, code));
    }
    for (const result of results) {
      if (result.code === 'b') {
        result.record = packRun(result.first, result.last, this.attempt(result.first, epoch));
      }
    }
    const lease = { jobId, step: 0, spanId: span.spanId, leaseId, epoch };
    const reported = await reportOne(spans, nodeId, lease, this.farm.nowMs(), results);
    if (reported.status !== 'accepted') throw new Error(`the report was ${reported.status}`);
    // As published: the pass leaves alone what is not.
    await this.redis.del(keys.unpublished(jobId));
  }

  private attempt(task: number, epoch: number) {
    return { epoch, nodeId, outcome: 'succeeded' as const, startedAtMs: task, endedAtMs: task + 7 };
  }

  private result(task: number, epoch: number, code: Outcome): ResultWords {
    const words = { first: task, last: task, runMs: 1, outputs: '', outputsCount: 0 };
    const attempt = this.attempt(task, epoch);
    if (code === 'b') return { ...words, code: 'b', record: '' };
    if (code === 't') {
      const failed = { ...attempt, outcome: 'failed' as const, exitCode: 3, message: 'it "broke"' };
      return { ...words, code: 't', record: packAttempt({ ...failed, failureKind: 'exit' }) };
    }
    const record = packAttempt({ ...attempt, exitCode: 0, logBytes: task });
    if (code === 'l') return { ...words, code: 's', record };
    const files = [1, 2].map((n) => ({
      path: `out/${task}.${n}.exr`,
      sha256: String(task % 10).repeat(64),
      sizeBytes: task,
    }));
    return {
      ...words,
      code: 's',
      record,
      outputs: JSON.stringify({ epoch, files }),
      outputsCount: 2,
    };
  }
}
