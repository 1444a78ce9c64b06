import { GangStore, parseVerdict } from '@karst/orchestrator/store/gang-store.ts';
import type { Span } from '@karst/orchestrator/store/span-store.ts';
import { type LeaseId, newLeaseId, newNodeId } from '@karst/shared/protocol/ids.ts';
import type { TaskState } from '@karst/shared/protocol/job.ts';
import { systemRandom } from '@karst/shared/random.ts';
import fc from 'fast-check';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { RealFarm } from './support/real-farm.ts';
import { reportOne } from './support/report-one.ts';

let server: TestRedis;
let redis: Redis;
beforeAll(async () => {
  server = await startRedis();
  redis = new Redis(server.url);
});
afterAll(async () => {
  redis.disconnect();
  await server.stop();
});

type Op =
  | 'open'
  | 'lease'
  | 'join'
  | 'succeed'
  | 'fail'
  | 'return'
  | 'expire'
  | 'preempted'
  | 'requeue'
  | 'close'
  | 'late'
  | 'charge'
  | 'let off';
const ops: readonly Op[] = [
  ...(['open', 'lease', 'lease', 'lease', 'join', 'join', 'join', 'join', 'succeed'] as const),
  ...(['fail', 'return', 'expire', 'preempted', 'requeue', 'close', 'late'] as const),
  ...(['charge', 'charge', 'let off'] as const),
];

const nodeId = newNodeId(systemRandom);
const untilMs = 9_000_000;

interface ModelTask {
  state: TaskState;
  failures: number;
  lease?: { leaseId: LeaseId; epoch: number; spanId: number; isReady: boolean };
  /** It has succeeded, and others of the gang have not. */
  isDone?: boolean;
}

/** What the rules say of a gang: each task, and how far all of them are. */
class GangModel {
  readonly tasks: ModelTask[];
  state: 'none' | 'open' | 'started' = 'none';
  private readonly maxRetries: number;

  constructor(taskCount: number, maxRetries: number) {
    this.maxRetries = maxRetries;
    this.tasks = Array.from({ length: taskCount }, () => ({ state: 'waiting', failures: 0 }));
  }

  in(state: TaskState): ModelTask[] {
    return this.tasks.filter((task) => task.state === state);
  }

  /** A task stopped without success: all the others do, those that had succeeded too. */
  left(): void {
    for (const each of this.in('running')) {
      each.state = 'waiting';
      each.isDone = false;
      delete each.lease;
    }
    this.state = 'none';
  }

  /** A task has: all of them, once it is the last. */
  succeeded(task: ModelTask): void {
    delete task.lease;
    task.isDone = true;
    if (this.tasks.some(({ isDone }) => isDone !== true)) return;
    for (const each of this.tasks) each.state = 'succeeded';
  }

  /** A failure is charged; none of the gang runs by then. */
  charge(task: ModelTask): void {
    task.failures += 1;
    if (task.failures <= this.maxRetries) return;
    for (const each of this.tasks) each.state = 'canceled';
    task.state = 'failed';
    this.state = 'none';
  }
}

/** The real stores, each operation done on both. */
class Pair {
  readonly model: GangModel;
  private readonly farm: RealFarm;
  private readonly gangs: GangStore;
  /** Leases that are over. */
  private readonly gone: { leaseId: LeaseId; spanId: number; epoch: number }[] = [];
  private started = 0;
  /** Whose failure nobody was charged yet. */
  private held: ModelTask | undefined;

  private constructor(farm: RealFarm, taskCount: number, maxRetries: number) {
    this.farm = farm;
    this.gangs = new GangStore(redis);
    this.model = new GangModel(taskCount, maxRetries);
  }

  static async make(taskCount: number, maxRetries: number): Promise<Pair> {
    const steps = [{ taskCount, dependsOn: [], gang: {} }];
    const farm = await RealFarm.withJob(redis, {
      steps,
      maxRetries,
      maxFailed: 99,
      poisonNodes: 8,
    });
    await farm.spans.createSpans(farm.jobId, 0, 1, taskCount);
    return new Pair(farm, taskCount, maxRetries);
  }

  private get place() {
    return { jobId: this.farm.jobId, step: 0 };
  }

  async do(op: Op, pick: number): Promise<void> {
    const { model } = this;
    if (op === 'open') return await this.open();
    if (op === 'lease') return await this.lease(pick);
    if (op === 'close') return await this.close();
    if (op === 'late') return await this.late(pick);
    if (op === 'charge' || op === 'let off') return await this.settle(op === 'charge');
    const running = model.in('running').filter(({ lease }) => lease !== undefined);
    const task = running[pick % running.length];
    if (task?.lease === undefined) return;
    if (op === 'join') return await this.join(task);
    if (op === 'succeed' && model.state !== 'started') return;
    const { lease } = task;
    const leases = running.flatMap((each) => each.lease ?? []);
    await this.end(op, task, lease);
    if (op === 'succeed') {
      model.succeeded(task);
      this.gone.push(lease);
    } else {
      if (op === 'fail') this.held = task;
      model.left();
      this.gone.push(...leases);
    }
  }

  private async settle(isCharged: boolean): Promise<void> {
    const { steps } = await this.farm.read();
    const text = steps[0]?.record.gang_verdict;
    expect(text === undefined).toBe(this.held === undefined);
    if (text === undefined || this.held === undefined) return;
    await this.gangs.settle(this.place, parseVerdict(text), isCharged, this.farm.nowMs());
    if (isCharged) this.model.charge(this.held);
    this.held = undefined;
  }

  private async open(): Promise<void> {
    const { model } = this;
    const may = model.state === 'none' && model.in('running').length === 0;
    const opens = may && this.held === undefined && model.in('waiting').length > 0;
    expect(await this.gangs.open(this.place, this.farm.nowMs(), untilMs)).toBe(opens);
    if (opens) model.state = 'open';
  }

  private async lease(pick: number): Promise<void> {
    const { model, farm } = this;
    const waiting = model.in('waiting');
    const task = waiting[pick % waiting.length];
    if (task === undefined) return;
    const index = model.tasks.indexOf(task);
    const queued = (await farm.spans.list(farm.jobId, 0)).find(
      (span: Span) => span.state === 'queued' && span.first === index,
    );
    if (queued === undefined) throw new Error(`task ${index} waits in no span`);
    const leaseId = newLeaseId(systemRandom);
    const wanted = [{ spanId: queued.spanId, leaseId }];
    const reply = await farm.spans.grant(farm.jobId, 0, nodeId, farm.nowMs(), wanted);
    expect(reply.status).toBe(model.state === 'open' ? 'granted' : 'held');
    if (reply.status === 'held') return;
    const granted = reply.spans[0];
    if (!granted) throw new Error('not granted');
    const { epoch } = granted;
    task.state = 'running';
    task.lease = { leaseId, epoch, spanId: queued.spanId, isReady: false };
  }

  private async join(task: ModelTask): Promise<void> {
    const { model } = this;
    const { lease } = task;
    if (lease === undefined) return;
    lease.isReady = true;
    const begins =
      model.state === 'open' &&
      model.in('waiting').length === 0 &&
      model.in('running').every((each) => each.isDone || each.lease?.isReady === true);
    const joined = await this.joinAs(lease);
    if (begins) model.state = 'started';
    expect(joined.status).toBe(model.state === 'started' ? 'started' : 'waiting');
    if (joined.status !== 'started') return;
    expect(joined.began).toBe(begins);
    if (begins) {
      expect(joined.epoch).toBeGreaterThan(this.started);
      this.started = joined.epoch;
      const members = model.in('running').map((each) => model.tasks.indexOf(each));
      expect(joined.members.map((member) => member.task)).toEqual(members);
    }
    expect(joined.epoch).toBe(this.started);
  }

  /** A lease that is over changes nothing. */
  private async late(pick: number): Promise<void> {
    const lease = this.gone[pick % this.gone.length];
    if (lease === undefined) return;
    expect((await this.joinAs(lease)).status).toBe('lost');
  }

  private joinAs({ spanId, leaseId }: { spanId: number; leaseId: LeaseId }) {
    const at = { nodeId, host: '10.0.0.1', port: 4000 };
    return this.gangs.join({ ...this.place, spanId, leaseId }, at, this.farm.nowMs());
  }

  private async close(): Promise<void> {
    const { model } = this;
    const leases = model.in('running').flatMap((each) => each.lease ?? []);
    const effects = await this.gangs.close(this.place, untilMs, this.farm.nowMs());
    expect(effects.requeued).toHaveLength(model.state === 'open' ? leases.length : 0);
    if (model.state !== 'open') return;
    this.gone.push(...leases);
    for (const task of model.in('running')) {
      task.state = 'waiting';
      delete task.lease;
    }
    model.state = 'none';
  }

  private async end(op: Op, task: ModelTask, lease: NonNullable<ModelTask['lease']>) {
    const { farm } = this;
    const { spanId, leaseId, epoch } = lease;
    const ref = { ...this.place, spanId, leaseId, epoch };
    const first = this.model.tasks.indexOf(task);
    const record = JSON.stringify({ e: epoch, n: nodeId, o: 'lost' });
    if (op === 'requeue') {
      await farm.control.requeueTask(farm.jobId, 0, first, farm.nowMs());
    } else if (op === 'expire' || op === 'preempted') {
      // A lost node is charged as one of ten faults: the series are too short to use them up.
      await farm.spans.expire(ref, farm.nowMs(), record, op === 'expire');
    } else {
      const code = op === 'succeed' ? 'b' : op === 'fail' ? 't' : 'r';
      const run = code === 'b' ? `${first} ${first} ${epoch} ${nodeId} 1 2` : record;
      const words = { code, first, last: first, runMs: 1, outputs: '', outputsCount: 0 } as const;
      const reported = await reportOne(farm.spans, nodeId, ref, farm.nowMs(), [
        { ...words, record: code === 'r' ? '' : run },
      ]);
      expect(reported.status).toBe('accepted');
    }
  }

  /** The stored farm says what the model says, and its counters equal the states they count. */
  async check(): Promise<void> {
    const { job, steps } = await this.farm.read();
    const states = this.model.tasks.map(({ state }) => state);
    expect(steps[0]?.facts.map(({ state }) => state)).toEqual(states);
    for (const [state, count] of Object.entries(job.taskCounts)) {
      expect(count, state).toBe(states.filter((each) => each === state).length);
    }
    expect(steps[0]?.record.gang_state ?? 'none').toBe(this.kept());
    const leased = steps[0]?.spans.filter((span) => span.state === 'leased') ?? [];
    const running = this.model.in('running').filter(({ lease }) => lease !== undefined);
    expect(leased).toHaveLength(running.length);
    expect(steps[0]?.facts.map(({ failures }) => failures)).toEqual(
      this.model.tasks.map(({ failures }) => failures),
    );
  }

  /** What is left of it when the step has ended says nothing. */
  private kept(): string {
    const isOver = this.model.in('waiting').length + this.model.in('running').length === 0;
    return isOver && this.model.in('failed').length === 0 ? 'started' : this.model.state;
  }
}

it('leases and begins all tasks of a gang or none, whatever ends in whatever order', async () => {
  const series = fc.array(fc.tuple(fc.constantFrom(...ops), fc.nat(99)), { maxLength: 60 });
  const isOver = ({ model }: Pair) => model.in('waiting').length + model.in('running').length === 0;
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 4 }),
      fc.nat(2),
      series,
      async (tasks, retries, todo) => {
        await redis.flushall();
        const pair = await Pair.make(tasks, retries);
        for (const [op, pick] of todo) {
          if (isOver(pair)) break;
          await pair.do(op, pick);
          await pair.check();
        }
      },
    ),
    { numRuns: 150 },
  );
});
