import { Counters, countersOf, type LeaseFacts } from '@karst/orchestrator/scheduler/counters.ts';
import { keys } from '@karst/orchestrator/store/keys.ts';
import { Ledger } from '@karst/orchestrator/store/ledger.ts';
import type { LeaseId } from '@karst/shared/protocol/ids.ts';
import { newJobId, newLeaseId } from '@karst/shared/protocol/ids.ts';
import { systemRandom } from '@karst/shared/random.ts';
import fc from 'fast-check';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startRedis, type TestRedis } from '../support/redis.ts';

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

const jobs = [newJobId(systemRandom), newJobId(systemRandom)] as const;
/** Left out: a limit that becomes one per host while leases hold it; the ledger keeps what it counted. */
const isPerHost = (limit: string) => limit === 'host-licence';

/** Every counter that a lease of these tests may move. */
const names = [
  ...['a', 'b'].flatMap((studio) =>
    ['tasks', 'gpus', 'nodes'].flatMap((what) => [
      `studio:${studio}:${what}`,
      `project:${studio}/film:${what}`,
    ]),
  ),
  ...jobs.flatMap((job) => [`job:${job}:tasks`, `job:${job}:nodes`]),
  'limit:licence',
  'limit:host-licence',
];

const facts: fc.Arbitrary<LeaseFacts> = fc.record({
  studio: fc.constantFrom('a', 'b'),
  project: fc.constant('film'),
  jobId: fc.constantFrom(...jobs),
  nodeId: fc.constantFrom('n1', 'n2', 'n3'),
  gpus: fc.nat(2),
  limits: fc.array(fc.constantFrom('licence', 'host-licence'), { maxLength: 3 }),
});
const max = fc.option(fc.nat(4), { nil: undefined });
type Step =
  | { do: 'acquire'; facts: LeaseFacts; count: number }
  | { do: 'release'; which: number; count: number }
  | { do: 'ceiling'; name: string; max: number | undefined };
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('acquire' as const),
      facts,
      count: fc.integer({ min: 1, max: 4 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('release' as const),
      which: fc.nat(20),
      count: fc.integer({ min: 1, max: 3 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('ceiling' as const),
      name: fc.constantFrom(...names),
      max,
    }),
  },
);

/** The ledger in Redis beside the rule in memory, and what stands between them. */
class Pair {
  readonly ledger = new Ledger(redis);
  readonly model = new Counters();
  private readonly held: LeaseId[] = [];
  /** Counters that refused a lease and have not told of room since. */
  private readonly full = new Set<string>();

  constructor() {
    this.model.setPerHost('host-licence', true);
  }

  async acquire(lease: LeaseFacts, count: number): Promise<void> {
    const ids = Array.from({ length: count }, () => newLeaseId(systemRandom));
    const { studio, project, nodeId: node } = lease;
    const held = { node, studio, project, cost: 1, rate: 1, grantedAtMs: 0 };
    const answer = await this.ledger.acquire(ids, held, countersOf(lease, isPerHost));
    let counted = 0;
    let refused: string | undefined;
    for (const id of ids) {
      const result = this.model.acquire(id, lease);
      if (!result.ok) {
        refused = result.full.name;
        break;
      }
      this.held.push(id);
      counted += 1;
    }
    expect(answer.count).toBe(counted);
    expect(answer.full?.name).toBe(refused);
    if (refused !== undefined) this.full.add(refused);
  }

  async release(which: number, count: number): Promise<void> {
    const at = this.held.length === 0 ? 0 : which % this.held.length;
    const ids = this.held.splice(at, count);
    // Also one that was released before: that changes nothing.
    const answer = await this.ledger.release([...ids, newLeaseId(systemRandom)]);
    expect(answer.ended.map(({ leaseId }) => leaseId)).toEqual(ids);
    const before = new Map(names.map((name) => [name, this.model.count(name)]));
    for (const id of ids) this.model.release(id);
    const roomier = names.filter((name) => this.model.count(name) < (before.get(name) ?? 0));
    const told = roomier.filter((name) => this.full.delete(name));
    expect(answer.opened.toSorted()).toEqual(told.toSorted());
  }

  async setCeiling(name: string, most: number | undefined): Promise<void> {
    await this.ledger.setCeilings(new Map([[name, most]]));
    this.model.setMax(name, most);
    this.full.delete(name);
  }

  async check(): Promise<void> {
    const counts = names.map((name) => this.model.count(name));
    expect(await this.ledger.counts(names)).toEqual(counts);
    const stand = await this.ledger.ceilings();
    for (const name of names) expect(stand.get(name)).toBe(this.model.max(name));
  }

  /** Once nothing is held, nothing is left. */
  async end(): Promise<void> {
    await this.release(0, this.held.length);
    expect(await redis.exists(keys.ledgerCounts(), keys.ledgerHosts(), keys.ledgerLeases())).toBe(
      0,
    );
  }
}

it('counts as the rule in memory does, whatever is acquired, released and capped', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60, size: 'max' }), async (series) => {
      await redis.flushall();
      const pair = new Pair();
      for (const one of series) {
        if (one.do === 'acquire') await pair.acquire(one.facts, one.count);
        else if (one.do === 'release') await pair.release(one.which, one.count);
        else await pair.setCeiling(one.name, one.max);
        await pair.check();
      }
      await pair.end();
    }),
    { numRuns: 150, verbose: 1 },
  );
});

it('never counts more than a ceiling allows, with many callers at once', async () => {
  await redis.flushall();
  const callers = [0, 1, 2].map(() => new Redis(server.url));
  const ledgers = callers.map((caller) => new Ledger(caller));
  await new Ledger(redis).setCeilings(new Map([['limit:licence', 5]]));
  const granted = await Promise.all(
    Array.from({ length: 60 }, async (_, i) => {
      const lease = {
        studio: 'a',
        project: 'film',
        jobId: jobs[0],
        nodeId: `n${i % 7}`,
        gpus: 0,
        limits: ['licence'],
      };
      const { studio, project, nodeId: node } = lease;
      const held = { node, studio, project, cost: 1, rate: 1, grantedAtMs: 0 };
      const ids = [newLeaseId(systemRandom), newLeaseId(systemRandom)];
      const answer = await ledgers[i % 3]?.acquire(ids, held, countersOf(lease, isPerHost));
      return answer?.count ?? 0;
    }),
  );
  expect(granted.reduce((sum, count) => sum + count, 0)).toBe(5);
  for (const caller of callers) caller.disconnect();
});
