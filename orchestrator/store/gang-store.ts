import type { JobId, NodeId } from '@karst/shared/protocol/ids.ts';
import { leaseIdSchema, nodeIdSchema } from '@karst/shared/protocol/ids.ts';
import { z } from 'zod';
import type { Redis } from './connection.ts';
import { type Effects, parseEffects } from './effects.ts';
import { keys, type LeaseRef } from './keys.ts';
import { asArray, asInteger, asText } from './reply.ts';
import { loadScript } from './script.ts';
import { FAULTS_PER_TASK_MAX } from './span-store.ts';

const openGangScript = loadScript('open_gang');
const joinGangScript = loadScript('join_gang');
const closeGangScript = loadScript('close_gang');
const settleVerdictScript = loadScript('settle_verdict');

/** A step by its place. */
interface Place {
  jobId: JobId;
  step: number;
}

/** Where a task of a gang is reached by the others. */
export interface GangMember {
  task: number;
  nodeId: NodeId;
  host: string;
  port: number;
}

export type Joined =
  /** The lease is over. */
  | { status: 'lost' }
  /** Others are not ready. */
  | { status: 'waiting' }
  /** All were; `began` by this call. Members are in the order of their tasks. */
  | { status: 'started'; epoch: number; began: boolean; members: GangMember[] };

const verdictSchema = z.object({
  /** When the task failed. */
  atMs: z.number(),
  /** Leases of the others at that moment. */
  others: z
    .array(z.object({ nodeId: nodeIdSchema, leaseId: leaseIdSchema, grantedAtMs: z.number() }))
    .default([]),
});
/** A failure that is to be charged to its task, unless another of its gang was lost. */
export type Verdict = z.infer<typeof verdictSchema>;

/** As a step's hash keeps it. */
export const parseVerdict = (text: string): Verdict => verdictSchema.parse(JSON.parse(text));

/** Steps whose tasks run all at once: see lua/include/gang.lua. */
export class GangStore {
  private readonly redis: Redis;

  constructor(redis: Redis) {
    this.redis = redis;
  }

  /** Whether tasks of the gang may be leased now. */
  async isOpen({ jobId, step }: Place): Promise<boolean> {
    return (await this.redis.hget(keys.step(jobId, step), 'gang_state')) === 'open';
  }

  /** Lets all waiting tasks be leased, to be ready until then. False: they may not run now. */
  async open({ jobId, step }: Place, nowMs: number, untilMs: number): Promise<boolean> {
    const reply = await openGangScript.run(
      this.redis,
      {
        job_key: keys.job(jobId),
        step_key: keys.step(jobId, step),
        spans_key: keys.spans(jobId, step),
      },
      { now_ms: nowMs, until_ms: untilMs },
    );
    return asInteger(reply) === 1;
  }

  /** A leased task has all it needs, and waits at `host` and `port`. */
  async join(
    { jobId, step, spanId, leaseId }: Omit<LeaseRef, 'epoch'>,
    { nodeId, host, port }: Omit<GangMember, 'task'>,
    nowMs: number,
  ): Promise<Joined> {
    const reply = asArray(
      await joinGangScript.run(
        this.redis,
        {
          job_key: keys.job(jobId),
          step_key: keys.step(jobId, step),
          spans_key: keys.spans(jobId, step),
        },
        { span_id: spanId, lease_id: leaseId, node_id: nodeId, host, port, now_ms: nowMs },
      ),
    );
    const status = asText(reply[0]);
    if (status === 'lost' || status === 'waiting') return { status };
    const members: GangMember[] = [];
    for (let at = 3; at < reply.length; at += 4) {
      members.push({
        task: asInteger(reply[at]),
        nodeId: nodeIdSchema.parse(reply[at + 1]),
        host: asText(reply[at + 2]),
        port: asInteger(reply[at + 3]),
      });
    }
    members.sort((a, b) => a.task - b.task);
    const [epoch, began] = [asInteger(reply[1]), asInteger(reply[2]) === 1];
    return { status: 'started', epoch, began, members };
  }

  /** Ends what was opened until `untilMs`, if it has not begun. */
  async close({ jobId, step }: Place, untilMs: number, nowMs: number): Promise<Effects> {
    return parseEffects(
      await closeGangScript.run(
        this.redis,
        { job_key: keys.job(jobId), step_key: keys.step(jobId, step) },
        { step_index: step, until_ms: untilMs, now_ms: nowMs },
      ),
    );
  }

  /** Charges a held failure to its task, or lets it off. */
  async settle(
    { jobId, step }: Place,
    { atMs }: Verdict,
    isCharged: boolean,
    nowMs: number,
  ): Promise<Effects> {
    return parseEffects(
      await settleVerdictScript.run(
        this.redis,
        { job_key: keys.job(jobId), step_key: keys.step(jobId, step) },
        {
          step_index: step,
          at_ms: atMs,
          is_charged: isCharged ? 1 : 0,
          max_faults: FAULTS_PER_TASK_MAX,
          now_ms: nowMs,
        },
      ),
    );
  }

  /** Keeps for how many tasks at once room was found, where that was too few; undefined: it was not. */
  async noteRoom({ jobId, step }: Place, tasks: number | undefined): Promise<void> {
    const key = keys.step(jobId, step);
    if (tasks === undefined) await this.redis.hdel(key, 'gang_room');
    else await this.redis.hset(key, 'gang_room', tasks);
  }
}
