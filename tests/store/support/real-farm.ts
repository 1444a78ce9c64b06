import { HistoryReader } from '@karst/orchestrator/history/history-reader.ts';
import { ControlStore } from '@karst/orchestrator/store/control-store.ts';
import { ExtensionStore } from '@karst/orchestrator/store/extension-store.ts';
import { tasksOfJob } from '@karst/orchestrator/store/job-record.ts';
import { JobStore } from '@karst/orchestrator/store/job-store.ts';
import { SpanStore } from '@karst/orchestrator/store/span-store.ts';
import { TaskReader } from '@karst/orchestrator/store/task-reader.ts';
import { extendStep } from '@karst/shared/openjd/extend-step.ts';
import type { ResolvedJob } from '@karst/shared/openjd/resolved-job.ts';
import type { JobId } from '@karst/shared/protocol/ids.ts';
import { newJobId, studioIdSchema } from '@karst/shared/protocol/ids.ts';
import { policySchema } from '@karst/shared/protocol/job.ts';
import { systemRandom } from '@karst/shared/random.ts';
import type { Redis } from 'ioredis';
import type { JobShape } from './model-state.ts';

/** For jobs of which nothing was paged out: nothing is asked of storage. */
export const nothingPaged = (redis: Redis) =>
  new HistoryReader(redis, (key) => Promise.reject(new Error(`nothing wrote ${key}`)));

/** The real stores on a real Redis, with one job of the given shape. */
export class RealFarm {
  readonly jobs: JobStore;
  readonly spans: SpanStore;
  readonly control: ControlStore;
  readonly extensions: ExtensionStore;
  readonly jobId: JobId;
  private readonly tasks: TaskReader;
  private readonly shape: JobShape;
  private clockMs = 1_000_000;

  private constructor(redis: Redis, shape: JobShape) {
    this.jobs = new JobStore(redis);
    this.spans = new SpanStore(redis);
    this.control = new ControlStore(redis);
    this.extensions = new ExtensionStore(redis);
    this.tasks = new TaskReader(redis, this.spans, nothingPaged(redis));
    this.jobId = newJobId(systemRandom);
    this.shape = shape;
  }

  static async withJob(redis: Redis, shape: JobShape): Promise<RealFarm> {
    const farm = new RealFarm(redis, shape);
    await farm.jobs.create({
      id: farm.jobId,
      studio: studioIdSchema.parse('pixels'),
      project: 'default',
      policy: policySchema.parse({
        maxRetriesPerTask: shape.maxRetries,
        maxFailedTasks: shape.maxFailed,
        steps: Object.fromEntries(
          shape.steps.map(({ order, scout, gang }, index) => [`s${index}`, { order, scout, gang }]),
        ),
        poisonNodes: shape.poisonNodes,
      }),
      definition: { job: resolvedJob(shape), locations: {}, inputCount: 0 },
      createdAtMs: farm.nowMs(),
    });
    return farm;
  }

  /** Each call is a little later. */
  nowMs(): number {
    this.clockMs += 100;
    return this.clockMs;
  }

  /**
   * Adds tasks to a step; `isStale`: to what the definition was before somebody changed it. Answers
   * whether they are there.
   */
  async extend(step: number, tasks: number, isStale: boolean): Promise<boolean> {
    const stored = await this.jobs.readDefinition(this.jobId);
    const own = stored?.definition.job.steps[step];
    if (stored === undefined || own === undefined) throw new Error(`step ${step} is gone`);
    const { taskCount } = own;
    const ranges = { N: `${taskCount}-${taskCount + tasks - 1}` };
    const extended = extendStep(own, ranges, { tasks: taskCount, tasksMax: 1_000_000 });
    if (!extended.ok) throw new Error(extended.error[0]?.message);
    const { job } = stored.definition;
    const steps = job.steps.with(step, extended.value.step);
    const extension = {
      step,
      tasks,
      sha1: isStale ? 'another' : stored.sha1,
      definition: { ...stored.definition, job: { ...job, steps } },
    };
    return (await this.extensions.extend(this.jobId, extension, this.nowMs())) !== undefined;
  }

  /** Everything that the model speaks of too, as stored. */
  async read() {
    const job = await this.jobs.read(this.jobId);
    if (job === undefined) throw new Error('the job is gone');
    const stored = await this.jobs.definition(this.jobId, { tasks: tasksOfJob(job) });
    if (stored === undefined) throw new Error('the definition is gone');
    const definition = stored.job;
    const steps = await Promise.all(
      this.shape.steps.map(async ({ isChunked = false, order = 'ascending' }, index) => {
        const taskCount = definition.steps[index]?.taskCount ?? 0;
        const record = await this.jobs.step(this.jobId, index);
        if (record === undefined) throw new Error(`step ${index} is gone`);
        const query = { from: 0, limit: taskCount, state: undefined, taskCount };
        const { facts } = await this.tasks.page(this.jobId, index, query);
        const spans = await this.spans.list(this.jobId, index);
        const sorted = spans.sort((a, b) => a.spanId - b.spanId);
        return { record, facts, spans: sorted, isChunked, order };
      }),
    );
    return { job, definition, steps };
  }
}

export type StoredFarm = Awaited<ReturnType<RealFarm['read']>>;

const chunks = {
  defaultTaskCount: 1,
  targetRuntimeSeconds: 60,
  rangeConstraint: 'CONTIGUOUS',
} as const;

const resolvedJob = ({ steps }: JobShape): ResolvedJob => ({
  name: 'model',
  parameters: {},
  steps: steps.map(({ taskCount, dependsOn, isChunked = false }, index) => ({
    name: `s${index}`,
    dependsOn: [...dependsOn],
    taskCount,
    parameterSpace: {
      parameters: [
        isChunked
          ? { name: 'N', type: 'CHUNK[INT]', range: `0-${taskCount - 1}`, chunks }
          : { name: 'N', type: 'INT', range: `0-${taskCount - 1}` },
      ],
      combination: 'N',
    },
    script: {
      onRun: { command: 'true', args: [], cancelation: { mode: 'TERMINATE' } },
      embeddedFiles: [],
    },
  })),
});
