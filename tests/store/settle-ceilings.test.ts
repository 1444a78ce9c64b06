import { ceilingSettler } from '@karst/orchestrator/background/settle-ceilings.ts';
import { ControlStore } from '@karst/orchestrator/store/control-store.ts';
import { JobStore } from '@karst/orchestrator/store/job-store.ts';
import { Ledger } from '@karst/orchestrator/store/ledger.ts';
import { newJobId } from '@karst/shared/protocol/ids.ts';
import { systemRandom } from '@karst/shared/random.ts';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { RealFarm } from './support/real-farm.ts';

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
beforeEach(() => redis.flushall());

const shape = { steps: [{ taskCount: 3, dependsOn: [] }], maxRetries: 0, maxFailed: 0 };

async function start(maxTasks: number | undefined) {
  const { jobs, jobId } = await RealFarm.withJob(redis, shape);
  await jobs.changePolicy(jobId, (policy) => ({ ...policy, maxTasks }));
  const ledger = new Ledger(redis);
  const settle = ceilingSettler(jobs, ledger);
  const active = async () => {
    const job = await jobs.read(jobId);
    return job === undefined ? [] : [job];
  };
  const stand = async () => Object.fromEntries(await ledger.ceilings());
  return { jobs, jobId, ledger, settle, active, stand };
}

it('puts into the ledger what a job says that was changed by a process that died', async () => {
  const { jobId, ledger, settle, active, stand } = await start(2);
  await ledger.setCeilings(new Map([[`job:${jobId}:nodes`, 7]]));
  await settle(await active());
  expect(await stand()).toEqual({ [`job:${jobId}:tasks`]: 2 });
});

it('goes by what the job says now, not by what it said when the sweep came by', async () => {
  const { jobs, jobId, settle, active, stand } = await start(2);
  const seen = await active();
  await jobs.changePolicy(jobId, (policy) => ({ ...policy, maxTasks: 9 }));
  await settle(seen);
  expect(await stand()).toEqual({ [`job:${jobId}:tasks`]: 9 });
});

it('takes out the ceilings of a job that has ended', async () => {
  const { jobId, ledger, settle, stand } = await start(2);
  await ledger.setCeilings(new Map([[`job:${jobId}:tasks`, 2]]));
  await new ControlStore(redis).cancel(jobId, 1);
  await settle([]);
  await settle([]);
  expect(await stand()).toEqual({});
});

it('leaves those of a job that is being submitted, and settings’, alone', async () => {
  const ledger = new Ledger(redis);
  const settle = ceilingSettler(new JobStore(redis), ledger);
  const name = `job:${newJobId(systemRandom)}:tasks`;
  await ledger.setCeilings(new Map([[name, 2]]));
  await ledger.setCeilings(new Map([['studio:acme:tasks', 5]]));
  await settle([]);
  expect(Object.fromEntries(await ledger.ceilings())).toEqual({
    [name]: 2,
    'studio:acme:tasks': 5,
  });
  await settle([]);
  expect(Object.fromEntries(await ledger.ceilings())).toEqual({ 'studio:acme:tasks': 5 });
});
