import type { JobId, LeaseId, NodeId, StudioId } from '@karst/shared/protocol/ids.ts';
import { leaseIdSchema } from '@karst/shared/protocol/ids.ts';
import { z } from 'zod';
import type { Counter } from '../scheduler/counters.ts';
import type { Redis } from './connection.ts';
import { keys } from './keys.ts';
import { asArray, asInteger, asText, inPairs } from './reply.ts';
import { loadScript } from './script.ts';

const acquireLeasesScript = loadScript('acquire_leases');
const releaseLeasesScript = loadScript('release_leases');

/** Leases counted or ended in one call. */
const LEASES_PER_CALL_MAX = 500;

const ledgerKeys = {
  counts_key: keys.ledgerCounts(),
  hosts_key: keys.ledgerHosts(),
  leases_key: keys.ledgerLeases(),
  full_key: keys.ledgerFull(),
};

/** What the ledger keeps of a lease while it is held. */
const heldSchema = z.object({
  node: z.string(),
  studio: z.string(),
  project: z.string(),
  /** Core-seconds charged when it was granted. */
  cost: z.number(),
  /** Core-seconds a second of it costs. */
  rate: z.number(),
  grantedAtMs: z.number(),
  counters: z.array(z.tuple([z.string(), z.number(), z.union([z.literal(0), z.literal(1)])])),
});
export type HeldLease = Omit<z.infer<typeof heldSchema>, 'counters'>;

export interface Acquired {
  /** How many of the leases count now, from the first. */
  count: number;
  /** The counter that kept the next from counting. */
  full: { name: string; host: boolean } | undefined;
}

export interface LeaseOwner {
  studio: StudioId | string;
  project: string;
  jobId: JobId;
}

/**
 * The farm's ledger: how many leases each studio, project, job and limit holds, with ceilings that no
 * number of replicas exceeds. A lease counts from before it is granted until after it has ended, so
 * that a crash leaves too much counted, never too little; background/settle-ledger.ts mends that.
 */
export class Ledger {
  private readonly redis: Redis;

  constructor(redis: Redis) {
    this.redis = redis;
  }

  /** Counts as many of the leases as every ceiling allows. */
  async acquire(
    leaseIds: readonly LeaseId[],
    held: HeldLease,
    counters: readonly Counter[],
  ): Promise<Acquired> {
    const words = counters.map(({ name, amount, host }) => [name, amount, host ? 1 : 0]);
    const reply = asArray(
      await acquireLeasesScript.run(
        this.redis,
        { ...ledgerKeys, ceilings_key: keys.ledgerCeilings() },
        {
          node_id: held.node,
          facts: JSON.stringify({ ...held, counters: words }),
        },
        leaseIds,
      ),
    );
    const name = asText(reply[1]);
    return {
      count: asInteger(reply[0]),
      full: name === '' ? undefined : { name, host: asInteger(reply[2]) === 1 },
    };
  }

  /** Ends their counting. Answers those that counted, and counters found full before that have room. */
  async release(
    leaseIds: readonly LeaseId[],
  ): Promise<{ opened: string[]; ended: { leaseId: LeaseId; held: HeldLease }[] }> {
    const opened: string[] = [];
    const ended: { leaseId: LeaseId; held: HeldLease }[] = [];
    for (let i = 0; i < leaseIds.length; i += LEASES_PER_CALL_MAX) {
      const batch = leaseIds.slice(i, i + LEASES_PER_CALL_MAX);
      const reply = asArray(await releaseLeasesScript.run(this.redis, ledgerKeys, {}, batch));
      const openedEnd = 1 + asInteger(reply[0]);
      opened.push(...reply.slice(1, openedEnd).map(asText));
      for (const [id, facts] of inPairs(reply.slice(openedEnd))) {
        const { counters: _, ...held } = heldSchema.parse(JSON.parse(facts));
        ended.push({ leaseId: leaseIdSchema.parse(id), held });
      }
    }
    return { opened, ended };
  }

  /** Whether a counter still stands as found full. */
  async isFull(counter: string): Promise<boolean> {
    return (await this.redis.sismember(keys.ledgerFull(), counter)) === 1;
  }

  async counts(counters: readonly string[]): Promise<number[]> {
    if (counters.length === 0) return [];
    const counts = await this.redis.hmget(keys.ledgerCounts(), ...counters);
    return counts.map((text) => Number(text ?? 0));
  }

  /** Those of the nodes that a counter of nodes counts. */
  async countedOn(counter: string, nodeIds: readonly NodeId[]): Promise<Set<string>> {
    if (nodeIds.length === 0) return new Set();
    const fields = nodeIds.map((nodeId) => `${counter}@${nodeId}`);
    const found = await this.redis.hmget(keys.ledgerHosts(), ...fields);
    return new Set(nodeIds.filter((_, i) => Number(found[i] ?? 0) > 0));
  }

  /** undefined: no ceiling. Counters found full before are forgotten: the next grant finds out. */
  async setCeilings(ceilings: ReadonlyMap<string, number | undefined>): Promise<void> {
    const change = this.redis.multi();
    for (const [name, max] of ceilings) {
      if (max === undefined) change.hdel(keys.ledgerCeilings(), name);
      else change.hset(keys.ledgerCeilings(), name, max);
      change.srem(keys.ledgerFull(), name);
    }
    await change.exec();
  }

  async ceilings(): Promise<Map<string, number>> {
    const all = await this.redis.hgetall(keys.ledgerCeilings());
    return new Map(Object.entries(all).map(([name, max]) => [name, Number(max)]));
  }

  /** What is left under those of the counters that have a ceiling; below 0 where one was lowered. */
  async left(counters: readonly Counter[]): Promise<{ counter: Counter; left: number }[]> {
    if (counters.length === 0) return [];
    const names = counters.map(({ name }) => name);
    const [ceilings, counts] = await Promise.all([
      this.redis.hmget(keys.ledgerCeilings(), ...names),
      this.counts(names),
    ]);
    return counters.flatMap((counter, i) => {
      const ceiling = ceilings[i] ?? null;
      return ceiling === null ? [] : [{ counter, left: Number(ceiling) - (counts[i] ?? 0) }];
    });
  }

  /** Every lease that counts and its node, page by page. */
  async *leases(): AsyncGenerator<{ leaseId: LeaseId; nodeId: NodeId | string }[]> {
    let cursor = '0';
    do {
      const [next, words] = await this.redis.hscan(keys.ledgerLeases(), cursor, 'COUNT', 500);
      yield inPairs(words).map(([id, facts]) => ({
        leaseId: leaseIdSchema.parse(id),
        nodeId: heldSchema.parse(JSON.parse(facts)).node,
      }));
      cursor = next;
    } while (cursor !== '0');
  }
}
