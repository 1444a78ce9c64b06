import type { NodeId } from '@karst/shared/protocol/ids.ts';
import type { Quarantine } from '@karst/shared/protocol/node-health.ts';
import { type NodeHealth, nodeHealthSchema, standing } from '../domain/node-health.ts';
import type { Redis } from './connection.ts';
import { keys } from './keys.ts';
import { asInteger } from './reply.ts';
import { loadScript } from './script.ts';

const changeHealthScript = loadScript('change_health');

/** '' is a node about which there is nothing to say. */
export const parseHealth = (text: string): NodeHealth | undefined =>
  text === '' ? undefined : nodeHealthSchema.parse(JSON.parse(text));

const iso = (ms: number) => new Date(ms).toISOString();

/** As people see it; undefined for a node that is not quarantined. */
export function quarantineOf(
  health: NodeHealth | undefined,
  nowMs: number,
): Quarantine | undefined {
  if (health?.quarantine === undefined) return undefined;
  const { sinceMs, untilMs, reason } = health.quarantine;
  return {
    since: iso(sinceMs),
    until: iso(untilMs),
    probation: standing(health, nowMs) === 'probation',
    reason,
    evidence: health.evidence.map(({ jobId, step, task, kind, atMs }) => ({
      jobId,
      step,
      task,
      kind,
      at: iso(atMs),
    })),
  };
}

/** What is kept of nodes that failed something lately: a field of the node's hash. */
export class HealthStore {
  private readonly redis: Redis;

  constructor(redis: Redis) {
    this.redis = redis;
  }

  async read(nodeId: NodeId): Promise<string> {
    return (await this.redis.hget(keys.node(nodeId), 'health')) ?? '';
  }

  /** False: it is no longer what it was. */
  async change(nodeId: NodeId, before: string, after: NodeHealth | undefined): Promise<boolean> {
    const reply = await changeHealthScript.run(
      this.redis,
      { node_key: keys.node(nodeId) },
      { before, after: after === undefined ? '' : JSON.stringify(after) },
    );
    return asInteger(reply) === 1;
  }

  /** An operator trusts the node again. False: there is no such node. */
  async restore(nodeId: NodeId): Promise<boolean> {
    if ((await this.redis.exists(keys.node(nodeId))) === 0) return false;
    await this.redis.hdel(keys.node(nodeId), 'health');
    return true;
  }
}
