import { type JobId, type LeaseId, type NodeId, nodeIdSchema } from '@karst/shared/protocol/ids.ts';
import type { Redis } from './connection.ts';
import { keys } from './keys.ts';
import type { Preempt } from './preempt-record.ts';
import { asInteger } from './reply.ts';
import { loadScript } from './script.ts';

const preemptLeasesScript = loadScript('preempt_leases');
const endPreemptScript = loadScript('end_preempt');

/** A decision takes far less; one whose process died holds up others this long. */
const LOCK_MS = 5000;
/** How long nothing more is preempted for a step that did not use the room made for it. */
const PAUSE_MS = 60_000;

/** Room made on nodes by ending leases: in the node's own hash, so that one call decides. */
export class PreemptStore {
  private readonly redis: Redis;

  constructor(redis: Redis) {
    this.redis = redis;
  }

  /** One decision at a time in the farm. False: somebody else is at it. */
  async lock(token: string): Promise<boolean> {
    return (await this.redis.set(keys.preemptLock(), token, 'PX', LOCK_MS, 'NX')) === 'OK';
  }

  async unlock(token: string): Promise<void> {
    if ((await this.redis.get(keys.preemptLock())) === token) {
      await this.redis.del(keys.preemptLock());
    }
  }

  /**
   * Marks the victims. `others`: leases that the decision saw on the node beside them. False: one has
   * ended or is marked already, or another has come; nothing is changed.
   */
  async mark(nodeId: NodeId, preempt: Preempt, others: readonly LeaseId[]): Promise<boolean> {
    // Listed first: a mark that no pass looks at would never be taken back.
    await this.redis.sadd(keys.preemptingNodes(), nodeId);
    const victims = preempt.victims.map(({ leaseId }) => leaseId);
    const reply = await preemptLeasesScript.run(
      this.redis,
      { node_key: keys.node(nodeId), leases_key: keys.nodeLeases(nodeId) },
      { id: preempt.id, record: JSON.stringify(preempt), count: victims.length },
      [...victims, ...others],
    );
    return asInteger(reply) === 1;
  }

  /** The room is used, or wanted no more. */
  async end(nodeId: NodeId, id: string): Promise<void> {
    await endPreemptScript.run(this.redis, { node_key: keys.node(nodeId) }, { id });
  }

  /** Nodes where there may be marks. */
  async nodes(): Promise<NodeId[]> {
    const ids = await this.redis.smembers(keys.preemptingNodes());
    return ids.map((id) => nodeIdSchema.parse(id));
  }

  /** A node found without marks. One marked meanwhile stays listed. */
  async unlist(nodeId: NodeId): Promise<void> {
    await this.redis.srem(keys.preemptingNodes(), nodeId);
    if ((await this.redis.hexists(keys.node(nodeId), 'preempts')) === 1) {
      await this.redis.sadd(keys.preemptingNodes(), nodeId);
    }
  }

  /** Room made for the step was not used: nothing more is made for a while. */
  async pause(jobId: JobId, step: number): Promise<void> {
    await this.redis.set(keys.preemptPause(jobId, step), '1', 'PX', PAUSE_MS);
  }

  async isPaused(jobId: JobId, step: number): Promise<boolean> {
    return (await this.redis.exists(keys.preemptPause(jobId, step))) === 1;
  }
}
