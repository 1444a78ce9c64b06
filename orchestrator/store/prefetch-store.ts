import { jobIdSchema, type NodeId } from '@karst/shared/protocol/ids.ts';
import type { PrefetchHint } from '@karst/shared/protocol/node.ts';
import type { Redis } from './connection.ts';
import { keys } from './keys.ts';

/** What each node was told it likely gets next: of that, and nothing else, it may list the inputs ahead. */
export class PrefetchStore {
  private readonly redis: Redis;

  constructor(redis: Redis) {
    this.redis = redis;
  }

  /** Stands for `ttlMs`, or until the node is told something else. */
  async tell(nodeId: NodeId, { jobId, step }: PrefetchHint, ttlMs: number): Promise<void> {
    await this.redis.set(keys.nodePrefetch(nodeId), `${jobId} ${step}`, 'PX', ttlMs);
  }

  async withdraw(nodeId: NodeId): Promise<void> {
    await this.redis.del(keys.nodePrefetch(nodeId));
  }

  async told(nodeId: NodeId): Promise<PrefetchHint | undefined> {
    const [jobId, step] = (await this.redis.get(keys.nodePrefetch(nodeId)))?.split(' ') ?? [];
    if (jobId === undefined) return undefined;
    return { jobId: jobIdSchema.parse(jobId), step: Number(step) };
  }
}
