import { keepUsagePass } from '@karst/orchestrator/background/keep-usage.ts';
import { settleLedgerPass } from '@karst/orchestrator/background/settle-ledger.ts';
import type { RunnableStep } from '@karst/orchestrator/dispatch/runnable-steps.ts';
import { runnableStep, stepFacts } from '@karst/orchestrator/dispatch/step-facts.ts';
import { objectKeys } from '@karst/orchestrator/objects/keys.ts';
import { keys } from '@karst/orchestrator/store/keys.ts';
import { usageFileSchema } from '@karst/orchestrator/store/usage-store.ts';
import { systemClock } from '@karst/shared/clock.ts';
import { leaseIdSchema, newLeaseId, newNodeId } from '@karst/shared/protocol/ids.ts';
import { systemRandom } from '@karst/shared/random.ts';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { RealFarm } from '../store/support/real-farm.ts';
import { eventually } from '../support/eventually.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { type Replica, startReplica } from './support/replica.ts';

const GATE = 'budget:pixels/default';
/** Charged for a task nobody has measured, core-seconds. */
const ESTIMATE = 60;
const MINUTES = 1 / 60;
const nodeId = newNodeId(systemRandom);
let server: TestRedis;
let one: Replica;
let two: Replica;
let step: RunnableStep;

beforeEach(async () => {
  server = await startRedis();
  [one, two] = await Promise.all([startReplica(server.url), startReplica(server.url)]);
  await one.redis.set(keys.farm(), 'stands');
  const shape = { steps: [{ taskCount: 9, dependsOn: [] }], maxRetries: 0, maxFailed: 0 };
  const farm = await RealFarm.withJob(one.redis, shape);
  const job = await one.jobs.read(farm.jobId);
  if (job === undefined) throw new Error('the job is gone');
  step = runnableStep(
    job,
    0,
    {},
    stepFacts(job, { name: 'A' }, () => false),
  );
});
afterEach(async () => {
  await Promise.all([one.stop(), two.stop()]);
  await server.stop();
});

/** Core-hours; a core-minute is what one task is estimated at. */
function budget(coreHours: number | undefined): void {
  const set = coreHours === undefined ? [] : [['pixels/default', coreHours] as const];
  for (const { usage } of [one, two]) usage.setBudgets(new Map(set));
}

const newLeases = (count: number) => Array.from({ length: count }, () => newLeaseId(systemRandom));
const isShown = ({ scheduler }: Replica) => scheduler.ranking.size === 1;
const spent = ({ budgets }: Replica) => budgets.spentBy('pixels/default');
const showStep = () => {
  for (const { scheduler } of [one, two]) scheduler.ranking.add({ ...step });
};

it('counts as many leases as the budget bears, and hides its steps on every replica', async () => {
  budget(3 * MINUTES);
  showStep();
  const leases = newLeases(5);
  expect((await one.accounts.acquire(nodeId, step, leases)).count).toBe(3);
  expect(isShown(one)).toBe(false);
  expect(one.scheduler.ranking.closedGates()).toEqual([GATE]);
  expect((await one.accounts.acquire(nodeId, step, newLeases(1))).count).toBe(0);
  await eventually('the other replica hears', () => !isShown(two));
  expect((await two.accounts.acquire(nodeId, step, newLeases(1))).count).toBe(0);
  // Two that never ran cost nothing, and give their part back.
  await two.accounts.settle(leases.slice(0, 2), true);
  expect(isShown(two)).toBe(true);
  expect(spent(two)).toBe(ESTIMATE);
  await eventually('the first replica hears', () => isShown(one));
  expect((await one.accounts.acquire(nodeId, step, newLeases(5))).count).toBe(2);
});

it('lets two replicas spend the last of it at once, and neither more when it has heard', async () => {
  budget(1 * MINUTES);
  showStep();
  const both = await Promise.all([
    one.accounts.acquire(nodeId, step, newLeases(2)),
    two.accounts.acquire(nodeId, step, newLeases(2)),
  ]);
  expect(both.map(({ count }) => count)).toEqual([1, 1]);
  await eventually('both know of both', () =>
    [one, two].every((replica) => spent(replica) === 2 * ESTIMATE),
  );
  const [lease] = await one.redis.hkeys(keys.ledgerLeases());
  // One that took nothing leaves the other: the budget is still spent.
  await one.accounts.settle([leaseIdSchema.parse(lease)], true);
  expect([spent(one), isShown(one)]).toEqual([ESTIMATE, false]);
});

it('opens at once when the budget is raised or taken away, and closes when it is lowered', async () => {
  showStep();
  budget(0);
  expect([one, two].map(isShown)).toEqual([false, false]);
  budget(1 * MINUTES);
  expect([one, two].map(isShown)).toEqual([true, true]);
  await one.accounts.acquire(nodeId, step, newLeases(1));
  expect(isShown(one)).toBe(false);
  budget(undefined);
  expect(isShown(one)).toBe(true);
  budget(0.5 * MINUTES);
  expect(isShown(one)).toBe(false);
});

it('stays closed when counters are opened, by word of room and by the pass that asks the ledger', async () => {
  budget(0);
  showStep();
  expect(one.accounts.open([GATE])).toBe(false);
  one.dispatcher.receive({ kind: 'gates', names: [GATE] });
  await settleLedgerPass({ ...one, periodMs: 1000 }).runOnce();
  expect(isShown(one)).toBe(false);
});

const keeps = async (coreSeconds: number) =>
  (await one.usageStore.spent())?.get('pixels/default') === coreSeconds;

it('charges again, with the next or with the pass, what Redis did not take', async () => {
  await one.redis.set(keys.usage(), 'of another kind');
  await one.accounts.acquire(nodeId, step, newLeases(1));
  await eventually('the other replica hears', () => spent(two) === ESTIMATE);
  await one.redis.del(keys.usage());
  await one.accounts.acquire(nodeId, step, newLeases(1));
  await eventually('Redis has both', () => keeps(2 * ESTIMATE));
  await eventually('the other replica hears', () => spent(two) === 2 * ESTIMATE);
  await one.redis.set(keys.usage(), 'of another kind');
  await one.accounts.acquire(nodeId, step, newLeases(1));
  await eventually('the other replica hears', () => spent(two) === 3 * ESTIMATE);
  await one.redis.del(keys.usage());
  await eventually('Redis has the third', async () => {
    await passOf(one, []).runOnce();
    return await keeps(3 * ESTIMATE);
  });
  expect([one, two].map(spent)).toEqual([3 * ESTIMATE, 3 * ESTIMATE]);
});

const passOf = (replica: Replica, written: unknown[], objects?: { fails: boolean }) =>
  keepUsagePass({
    ...replica,
    clock: systemClock,
    random: systemRandom,
    periodMs: 0,
    objects: {
      async putJson(key, value) {
        if (objects?.fails) throw new Error('storage is away');
        expect(key).toBe(objectKeys.usage);
        written.push(value);
      },
    },
  });
const changes = async () => (await one.usageStore.mirrorState()).changes;

it('mends what a replica did not hear, and keeps what Redis has not', async () => {
  budget(2 * MINUTES);
  showStep();
  const owner = { studio: 'pixels', project: 'default' };
  // A message that was lost: Redis has the charge, the replica hears nothing.
  const lost = new Map([
    ['pixels', 70],
    ['pixels/default', 70],
  ]);
  await one.usageStore.charge(lost, systemClock.nowMs());
  two.usage.move(owner.studio, owner.project, 50, 1);
  expect([spent(two), isShown(two)]).toEqual([50, true]);
  await passOf(two, []).runOnce();
  expect([spent(two), isShown(two)]).toEqual([120, false]);
  await eventually('Redis has both', async () => (await changes()) === 2);
  await passOf(two, []).runOnce();
  expect(spent(two)).toBe(120);
  // What this replica heard twice is mended too.
  two.usage.receive({ kind: 'usage', charges: [{ ...owner, cost: 30, leases: 0 }] });
  expect(spent(two)).toBe(150);
  await passOf(two, []).runOnce();
  expect(spent(two)).toBe(120);
});

it('writes storage when something was charged, one replica for all, and again where it failed', async () => {
  const written: unknown[] = [];
  const [first, second] = [passOf(one, written), passOf(two, written)];
  await first.runOnce();
  expect(written).toEqual([]);
  await one.accounts.acquire(nodeId, step, newLeases(2));
  await eventually('Redis has it', async () => (await changes()) === 1);
  await expect(passOf(one, written, { fails: true }).runOnce()).rejects.toThrow('storage is away');
  // Due again at once, where the period is 0.
  await eventually('written', async () => {
    await Promise.all([first.runOnce(), second.runOnce()]);
    return written.length > 0;
  });
  await first.runOnce();
  await second.runOnce();
  expect(written.length).toBe(1);
  const { accounts } = usageFileSchema.parse(written[0]);
  expect(Object.keys(accounts).sort()).toEqual(['pixels', 'pixels/default']);
  expect(accounts['pixels/default']?.spent).toBe(2 * ESTIMATE);
  // Redis was emptied: what storage has is all there is.
  await one.redis.flushall();
  await one.usageStore.charge(new Map([['pixels', 1]]), systemClock.nowMs());
  await first.runOnce();
  expect(written.length).toBe(1);
  expect(spent(one)).toBe(2 * ESTIMATE);
});
