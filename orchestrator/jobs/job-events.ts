import type { FarmEvent } from '@karst/shared/protocol/event.ts';
import type { JobId, NodeId, StudioId } from '@karst/shared/protocol/ids.ts';
import type { TaskState } from '@karst/shared/protocol/job.ts';
import type { TaskFlag } from '@karst/shared/protocol/task.ts';
import type { JobStore } from '../store/job-store.ts';

/** Where events go; see store/event-bus.ts. */
export interface EventSink {
  publish(studio: StudioId, event: FarmEvent): void;
}

interface Known {
  studio: StudioId;
  steps: readonly string[];
}

/** Tells watchers what changed, in the names they know. */
export class JobEvents {
  private readonly jobs: JobStore;
  private readonly sink: EventSink;
  private readonly known = new Map<JobId, Known>();

  constructor(jobs: JobStore, sink: EventSink) {
    this.jobs = jobs;
    this.sink = sink;
  }

  async jobChanged(jobId: JobId): Promise<void> {
    const job = await this.jobs.read(jobId);
    if (job === undefined) return;
    const { state, taskCounts, heldSteps } = job;
    this.sink.publish(job.studio, { type: 'job', jobId, state, taskCounts, heldSteps });
  }

  async tasksChanged(
    jobId: JobId,
    step: number,
    first: number,
    last: number,
    state: TaskState,
    isPreempted = false,
  ): Promise<void> {
    const known = await this.look(jobId);
    const name = known?.steps[step];
    if (known === undefined || name === undefined) return;
    this.sink.publish(known.studio, {
      type: 'tasks',
      jobId,
      step: name,
      first,
      last,
      state,
      ...(isPreempted ? { preempted: true } : {}),
    });
  }

  async progressed(
    jobId: JobId,
    step: number,
    progress: {
      task: number;
      percent?: number | undefined;
      status?: string | undefined;
      flags?: TaskFlag[] | undefined;
    },
  ): Promise<void> {
    const known = await this.look(jobId);
    const name = known?.steps[step];
    if (known === undefined || name === undefined) return;
    this.sink.publish(known.studio, { type: 'progress', jobId, step: name, ...progress });
  }

  /** A task was given up because it failed on these nodes. */
  async poisoned(
    jobId: JobId,
    step: number,
    task: number,
    nodes: readonly NodeId[],
  ): Promise<void> {
    const known = await this.look(jobId);
    const name = known?.steps[step];
    if (known === undefined || name === undefined) return;
    this.sink.publish(known.studio, { type: 'poison', jobId, step: name, task, nodes: [...nodes] });
  }

  /** A node was quarantined: each job among the reasons hears of its own tasks only. */
  async quarantined(
    nodeId: NodeId,
    untilMs: number,
    reasons: readonly { jobId: JobId; step: string; task: number }[],
  ): Promise<void> {
    const until = new Date(untilMs).toISOString();
    for (const [jobId, own] of Map.groupBy(reasons, (each) => each.jobId)) {
      const studio = await this.studioOf(jobId);
      if (studio === undefined) continue;
      const tasks = own.map(({ step, task }) => ({ step, task }));
      this.sink.publish(studio, { type: 'quarantine', jobId, nodeId, until, tasks });
    }
  }

  /** The job's studio; undefined when there is no such job. */
  async studioOf(jobId: JobId): Promise<StudioId | undefined> {
    return (await this.look(jobId))?.studio;
  }

  private async look(jobId: JobId): Promise<Known | undefined> {
    const known = this.known.get(jobId);
    if (known !== undefined) return known;
    const [job, definition] = await Promise.all([
      this.jobs.read(jobId),
      this.jobs.definition(jobId),
    ]);
    if (job === undefined || definition === undefined) return undefined;
    const fresh = { studio: job.studio, steps: definition.job.steps.map((step) => step.name) };
    if (this.known.size >= 10_000) this.known.clear();
    this.known.set(jobId, fresh);
    return fresh;
  }
}
