import { createObjectStore, type ObjectStore } from '@karst/orchestrator/objects/store.ts';
import fc from 'fast-check';
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { ManualClock } from '../http/manual-clock.ts';
import { RedisProcess } from '../http/redis-process.ts';
import { credentials, startLocalS3 } from '../local-s3/endpoint.ts';
import { AssetFarm, contents, GRACE_MS } from './asset-farm.ts';
import { HeldRound } from './held-round.ts';

const clock = new ManualClock(Date.now());
let server: RedisProcess;
let storage: Awaited<ReturnType<typeof startLocalS3>>;
let objects: ObjectStore;
let redis: Redis;
beforeAll(async () => {
  server = await RedisProcess.start();
  storage = await startLocalS3({ clock });
  const { endpoint } = storage;
  const config = { endpoint, bucket: 'karst', region: 'us-east-1', ...credentials };
  objects = createObjectStore(config);
  await objects.ensureBucket();
  redis = server.client();
});
afterAll(async () => {
  objects.close();
  await storage.stop();
  await server.stop();
});

/** Time goes on, and the client learns of it: an answer to a HEAD could not tell it. */
async function later(graces: number): Promise<void> {
  clock.advance(graces * GRACE_MS);
  await objects.list('farm/').catch(() => undefined);
  await objects.list('farm/');
}

async function freshFarm(): Promise<AssetFarm> {
  await redis.flushall();
  await objects.deletePrefix('studios/');
  await objects.deletePrefix('farm/');
  return new AssetFarm(redis, objects, clock);
}
let farm: AssetFarm;
beforeEach(async () => {
  farm = await freshFarm();
});

async function wholeRound(of: AssetFarm): Promise<void> {
  const round = of.round();
  while (!round.isOver) await round.step();
}

async function upload(of: AssetFarm, content: string): Promise<void> {
  if ((await of.ask(content)) === false) await of.put(content);
}

async function submit(of: AssetFarm, some: readonly string[]): Promise<void> {
  const checkedMs = await of.check(some);
  if (checkedMs !== undefined) await of.store(some, checkedMs);
}

it('takes away what nobody refers to, once the grace is over, and nothing else', async () => {
  for (const content of ['a', 'b', 'c']) await upload(farm, content);
  await submit(farm, ['a']);
  await later(2.5);
  await farm.ask('b');
  const dry = farm.round(undefined, true);
  while (!dry.isOver) await dry.step();
  expect(dry).toMatchObject({ garbage: { files: 1, bytes: 1 }, kept: { files: 2, bytes: 2 } });
  expect(await farm.has('c')).toBe(true);
  await wholeRound(farm);
  expect(await Promise.all(['a', 'b', 'c'].map((c) => farm.has(c)))).toEqual([true, true, false]);
});

it('of a Redis that was emptied, or started anew, everything counts as just touched', async () => {
  await upload(farm, 'a');
  await later(3);
  await redis.flushall();
  await wholeRound(farm);
  await later(0.9);
  await wholeRound(farm);
  expect(await farm.has('a')).toBe(true);
  await server.kill();
  await server.restart();
  await later(0.9);
  await wholeRound(farm);
  expect(await farm.has('a')).toBe(true);
  await later(2.5);
  await wholeRound(farm);
  expect(await farm.has('a')).toBe(false);
});

it('a round that stood still behind its confirmation is refused by storage itself', async () => {
  await upload(farm, 'a');
  await later(3);
  const round = await HeldRound.begin(farm);
  for (let holds = 0; holds < 2; holds++) await round.goOn();
  expect(await farm.ask('a')).toBeUndefined();
  await later(0.01);
  await submit(farm, ['a']);
  expect(farm.referred.size).toBe(1);
  while (!round.isOver) await round.goOn();
  expect(await farm.lost()).toEqual([]);
});

type Run = {
  farm: AssetFarm;
  rounds: HeldRound[];
  checks: { some: string[]; checkedMs: number }[];
};
type Action = (run: Run) => Promise<unknown>;
const label = (name: string, act: Action): Action =>
  Object.assign(act, { [fc.toStringMethod]: () => name });

const content = fc.constantFrom(...contents);
const some = fc.uniqueArray(content, { minLength: 1, maxLength: 3 });
const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 4, arbitrary: content.map((c) => label(`upload ${c}`, ({ farm: f }) => upload(f, c))) },
  { weight: 2, arbitrary: content.map((c) => label(`ask ${c}`, ({ farm: f }) => f.ask(c))) },
  {
    weight: 4,
    arbitrary: some.map((of) =>
      label(`check ${of}`, async ({ farm: f, checks }) => {
        const checkedMs = await f.check(of);
        if (checkedMs !== undefined) checks.push({ some: of, checkedMs });
      }),
    ),
  },
  {
    weight: 4,
    arbitrary: fc.constant(
      label('store', async ({ farm: f, checks }) => {
        const check = checks.shift();
        if (check !== undefined) await f.store(check.some, check.checkedMs);
      }),
    ),
  },
  {
    weight: 2,
    arbitrary: fc.nat(9).map((at) =>
      label(`delete ${at}`, async ({ farm: f }) => {
        const ids = [...f.referred.keys()];
        const id = ids[at % ids.length];
        if (id !== undefined) await f.delete(id);
      }),
    ),
  },
  {
    weight: 2,
    arbitrary: fc.constant(
      label('begin a round', async ({ farm: f, rounds }) => {
        if (rounds.length < 3) rounds.push(await HeldRound.begin(f));
      }),
    ),
  },
  {
    weight: 10,
    arbitrary: fc.nat(9).map((at) =>
      label(`go on ${at}`, async ({ rounds }) => {
        const round = rounds[at % rounds.length];
        await round?.goOn();
        if (round?.isOver) rounds.splice(rounds.indexOf(round), 1);
      }),
    ),
  },
  {
    weight: 5,
    arbitrary: fc
      .constantFrom(0.001, 0.01, 0.4, 0.8, 2.6)
      .map((graces) => label(`wait ${graces}`, () => later(graces))),
  },
  {
    weight: 1,
    arbitrary: fc.constant(
      label('Redis emptied', async ({ farm: f }) => {
        await redis.flushall();
        // As restore-farm does before anybody may ask.
        await f.touches.forgot(f.stored.studio, clock.nowMs());
      }),
    ),
  },
);

it('no order of uploads, submissions, deletions and rounds loses what a kept job refers to', async () => {
  let taken = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(action, { minLength: 20, maxLength: 60 }), async (actions) => {
      const run: Run = { farm: await freshFarm(), rounds: [], checks: [] };
      for (const content of contents) await upload(run.farm, content);
      await later(2.6);
      for (const act of actions) {
        await act(run);
        expect(await run.farm.lost()).toEqual([]);
      }
      for (const round of run.rounds) while (!round.isOver) await round.goOn();
      expect(await run.farm.lost()).toEqual([]);
      for (const content of contents) taken += (await run.farm.has(content)) ? 0 : 1;
      // Once nothing moves any more, exactly what nobody refers to goes.
      await wholeRound(run.farm);
      await later(3);
      await wholeRound(run.farm);
      // A Redis that was emptied last remembers from its first candidate on: a round more, a grace later.
      await later(1.5);
      await wholeRound(run.farm);
      const wanted = new Set([...run.farm.referred.values()].flat());
      for (const each of contents) expect(await run.farm.has(each)).toBe(wanted.has(each));
    }),
    { numRuns: 12, endOnFailure: true },
  );
  // Otherwise it would have shown nothing.
  expect(taken).toBeGreaterThan(3);
});
