import { createHash } from 'node:crypto';
import { adaptiveChunks } from '@karst/shared/openjd/adaptive-chunks.ts';
import type { ResolvedJob, ResolvedStep } from '@karst/shared/openjd/resolved-job.ts';
import { partSizes } from '@karst/shared/openjd/space-parts.ts';
import { checkedFrameLinks, wholeDependencies } from '@karst/shared/protocol/frame-dependencies.ts';
import type { JobId, StudioId } from '@karst/shared/protocol/ids.ts';
import { jobIdSchema } from '@karst/shared/protocol/ids.ts';
import type { Job, Policy, StepPolicy } from '@karst/shared/protocol/job.ts';
import type { Redis } from './connection.ts';
import {
  type JobDefinition,
  jobDefinitionSchema,
  parseJob,
  parseStepRecord,
  type StepRecord,
} from './job-record.ts';
import { keys } from './keys.ts';
import { asInteger } from './reply.ts';
import { loadScript } from './script.ts';

/** Tasks that a definition must know of: so many of one step, or of all steps together. */
export interface TasksKnown {
  step?: number;
  tasks: number;
}

function knows({ job: { steps } }: JobDefinition, { step, tasks }: TasksKnown): boolean {
  const asked = step === undefined ? steps : steps.slice(step, step + 1);
  return asked.reduce((sum, { taskCount }) => sum + taskCount, 0) >= tasks;
}

const createJobScript = loadScript('create_job');
const changePolicyScript = loadScript('change_policy');

export interface NewJob {
  id: JobId;
  studio: StudioId;
  project: string;
  policy: Policy;
  definition: JobDefinition;
  createdAtMs: number;
  /** Starts held. Not part of what is kept in storage: like any hold, it ends when Redis is lost. */
  paused?: boolean;
}

const flat = (fields: Record<string, string | number>): string[] =>
  Object.entries(fields).flatMap(([name, value]) => [name, String(value)]);

const noCounts = { running: 0, succeeded: 0, failed: 0, canceled: 0 };

const isHeld = ({ steps }: Policy, name: string): boolean => steps[name]?.hold === true;

/** What of a step's hash comes from its policy. */
function policyStepFields(
  policy: StepPolicy | undefined,
  { parameterSpace }: ResolvedStep,
): Record<string, string | number> {
  if (policy === undefined) return {};
  const { hold, order, scout, gang } = policy;
  // Scouts are of those tasks the step began with: where these were no more, nothing ever waited.
  const [taskCount = 0] = partSizes(parameterSpace);
  return {
    ...(hold ? { held: 1 } : {}),
    ...(gang === undefined ? {} : { gang: 1 }),
    ...(order === 'ascending' ? {} : { order, listed: 1, fed_count: 0 }),
    ...(scout !== undefined && scout < taskCount ? { scout } : {}),
  };
}

function stepFields(job: ResolvedJob, policy: Policy): string[][] {
  const whole = wholeDependencies(job, policy.steps);
  const byFrame = checkedFrameLinks(job, policy.steps).map((links) =>
    links.map(({ dependency }) => dependency),
  );
  const waitingFor = (index: number, of: readonly (readonly number[])[]) =>
    of.flatMap((dependencies, i) => (dependencies.includes(index) ? [i] : [])).join(',');
  return job.steps.map((step, index) => {
    const [open = [], frames = []] = [whole[index], byFrame[index]];
    const frameDependents = waitingFor(index, byFrame);
    return flat({
      name: step.name,
      state: open.length === 0 ? 'ready' : 'blocked',
      total: step.taskCount,
      cursor: 0,
      span_seq: 0,
      waiting: step.taskCount,
      ...noCounts,
      run_ms: 0,
      run_tasks: 0,
      chunked: adaptiveChunks(step.parameterSpace) === undefined ? 0 : 1,
      deps: step.dependsOn.join(','),
      deps_open: open.length,
      dependents: waitingFor(index, whole),
      ...(frameDependents === '' ? {} : { frame_dependents: frameDependents }),
      ...(frames.length === 0 ? {} : { frame_deps: frames.join(','), listed: 1, fed_count: 0 }),
      ...policyStepFields(policy.steps[step.name], step),
    });
  });
}

/** What of the job's hash comes from its policy. */
const policyFields = (policy: Policy): Record<string, string | number> => ({
  policy: JSON.stringify(policy),
  priority: policy.priority,
  max_retries: policy.maxRetriesPerTask,
  max_failed: policy.maxFailedTasks,
  poison_nodes: policy.poisonNodes,
});

function jobFields(job: NewJob): string[] {
  const { job: resolved } = job.definition;
  const fields: Record<string, string | number> = {
    id: job.id,
    studio: job.studio,
    project: job.project,
    name: resolved.name,
    state: job.paused === true ? 'paused' : 'pending',
    ...policyFields(job.policy),
    step_count: resolved.steps.length,
    steps_open: resolved.steps.length,
    waiting: resolved.steps.reduce((sum, step) => sum + step.taskCount, 0),
    ...noCounts,
    outputs_accepted: 0,
    outputs_published: 0,
    epoch: 0,
    created_at: job.createdAtMs,
  };
  if (resolved.description !== undefined) fields.description = resolved.description;
  const whole = wholeDependencies(resolved, job.policy.steps);
  for (const [index, { name }] of resolved.steps.entries()) {
    if (whole[index]?.length === 0 && isHeld(job.policy, name)) fields[`held:${index}`] = name;
  }
  return flat(fields);
}

/** Jobs as stored: creation, reading, listing. Transitions are in span-store and control-store. */
export class JobStore {
  private readonly redis: Redis;
  private readonly definitions = new Map<JobId, JobDefinition>();

  constructor(redis: Redis) {
    this.redis = redis;
  }

  /**
   * Stores the job and lists it; harmless when repeated. The listing follows the job, so a crash
   * between the two leaves a job that a retry of the submission lists; it can't run before that.
   * False, and nothing is changed: a job of this id was deleted.
   */
  async create(job: NewJob): Promise<boolean> {
    const reply = await createJobScript.run(
      this.redis,
      { job_key: keys.job(job.id), definition_key: keys.jobDefinition(job.id) },
      {
        definition: JSON.stringify(job.definition),
        fields_json: JSON.stringify(jobFields(job)),
        steps_json: JSON.stringify(stepFields(job.definition.job, job.policy)),
      },
    );
    if (asInteger(reply) < 0) return false;
    await this.redis.zadd(keys.studioJobs(job.studio), 'NX', job.createdAtMs, job.id);
    await this.redis.sadd(keys.activeJobs(), job.id);
    return true;
  }

  /** Whether a job of this id was deleted lately. */
  async isDeleted(id: JobId): Promise<boolean> {
    return (await this.redis.exists(keys.deletedJob(id))) === 1;
  }

  async read(id: JobId): Promise<Job | undefined> {
    return parseJob(await this.redis.hgetall(keys.job(id)));
  }

  /** A studio's own job; undefined for anyone else's, as if it did not exist. */
  async readOwn(studio: StudioId, id: JobId): Promise<Job | undefined> {
    const job = await this.read(id);
    return job?.studio === studio ? job : undefined;
  }

  /** Newest first, from `offset`. */
  async list(studio: StudioId, offset: number, limit: number): Promise<Job[]> {
    const ids = await this.redis.zrevrange(keys.studioJobs(studio), offset, offset + limit - 1);
    const jobs = await Promise.all(ids.map((id) => this.read(jobIdSchema.parse(id))));
    return jobs.filter((job) => job !== undefined);
  }

  /** Those created until then, oldest first, from `offset`; undefined for one that is being deleted. */
  async listOldest(
    studio: StudioId,
    createdUntilMs: number,
    offset: number,
    limit: number,
  ): Promise<(Job | undefined)[]> {
    const key = keys.studioJobs(studio);
    const ids = await this.redis.zrangebyscore(key, 0, createdUntilMs, 'LIMIT', offset, limit);
    return await Promise.all(ids.map((id) => this.read(jobIdSchema.parse(id))));
  }

  /**
   * Kept by every process. Nothing of it ever changes but that tasks are added to a step (in the same
   * Lua call as the counters that count them): whoever needs to know of certain tasks says so with
   * `atLeast`, and it is read anew when what is kept does not know of them.
   */
  async definition(id: JobId, atLeast?: TasksKnown): Promise<JobDefinition | undefined> {
    const known = this.definitions.get(id);
    if (known !== undefined && (atLeast === undefined || knows(known, atLeast))) return known;
    return (await this.readDefinition(id))?.definition;
  }

  /** As it stands in Redis now, with its hash. */
  async readDefinition(
    id: JobId,
  ): Promise<{ definition: JobDefinition; sha1: string } | undefined> {
    const text = await this.redis.get(keys.jobDefinition(id));
    if (text === null) return undefined;
    const definition = jobDefinitionSchema.parse(JSON.parse(text));
    if (this.definitions.size >= 1000) {
      const [oldest] = this.definitions.keys();
      if (oldest !== undefined) this.definitions.delete(oldest);
    }
    this.definitions.set(id, definition);
    return { definition, sha1: createHash('sha1').update(text).digest('hex') };
  }

  async step(id: JobId, index: number): Promise<StepRecord | undefined> {
    return parseStepRecord(await this.redis.hgetall(keys.step(id, index)));
  }

  /** How many tasks of a step wait; 0 where there is no such step. */
  async waitingTasks(id: JobId, step: number): Promise<number> {
    return Number((await this.redis.hget(keys.step(id, step), 'waiting')) ?? 0);
  }

  async steps(id: JobId, count: number): Promise<StepRecord[]> {
    const records = await Promise.all(Array.from({ length: count }, (_, i) => this.step(id, i)));
    return records.filter((record) => record !== undefined);
  }

  /** A job's policy, and the revision of what its leases run under. */
  async leasePolicy(id: JobId): Promise<{ policy?: Policy; revision?: number }> {
    const hash = await this.redis.hgetall(keys.job(id));
    const policy = parseJob(hash)?.policy;
    return { ...(policy && { policy }), ...(hash.revision && { revision: Number(hash.revision) }) };
  }

  /**
   * Changes a job's policy, also when others do at the same time. `redefinedAtMs`: what its leases run
   * under is another from then on. False: there is no such job.
   */
  async changePolicy(
    id: JobId,
    change: (policy: Policy) => Policy,
    redefinedAtMs?: number,
  ): Promise<boolean> {
    for (;;) {
      const hash = await this.redis.hgetall(keys.job(id));
      const job = parseJob(hash);
      if (job === undefined) return false;
      const reply = await changePolicyScript.run(
        this.redis,
        { job_key: keys.job(id) },
        {
          expected_policy: hash.policy ?? '',
          expected_priority: hash.priority ?? '',
          redefined_at: redefinedAtMs ?? '',
        },
        flat(policyFields(change(job.policy))),
      );
      if (asInteger(reply) === 1) return true;
    }
  }

  async activeIds(): Promise<JobId[]> {
    return (await this.redis.smembers(keys.activeJobs())).map((id) => jobIdSchema.parse(id));
  }

  async countActive(): Promise<number> {
    return asInteger(await this.redis.scard(keys.activeJobs()));
  }
}
