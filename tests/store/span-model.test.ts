import { taskOrderSchema } from '@karst/shared/protocol/job.ts';
import fc from 'fast-check';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, it } from 'vitest';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { commandArbitraries } from './support/farm-commands.ts';
import { FarmModel } from './support/farm-model.ts';
import type { JobShape } from './support/model-state.ts';
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

/** One to four steps; each may depend on earlier ones. */
const shape: fc.Arbitrary<JobShape> = fc.record({
  steps: fc
    .array(
      fc.record({
        taskCount: fc.integer({ min: 1, max: 9 }),
        isChunked: fc.boolean(),
        order: fc.constantFrom('ascending', ...taskOrderSchema.options),
        scout: fc.option(fc.integer({ min: 1, max: 4 }), { nil: undefined, freq: 1 }),
        dependencies: fc.array(fc.boolean(), { minLength: 3, maxLength: 3 }),
      }),
      { minLength: 1, maxLength: 4 },
    )
    .map((steps) =>
      steps.map(({ taskCount, isChunked, order, scout, dependencies }, index) => ({
        isChunked,
        order: isChunked ? 'ascending' : order,
        scout: scout !== undefined && scout < taskCount ? scout : undefined,
        taskCount,
        dependsOn: dependencies.flatMap((depends, on) => (depends && on < index ? [on] : [])),
      })),
    ),
  maxRetries: fc.nat(2),
  maxFailed: fc.nat(3),
  poisonNodes: fc.integer({ min: 2, max: 4 }),
});

// On failure fast-check prints the seed and the shortest series of commands it found.
it('does to the span table what the rules say, whatever is done in whatever order', async () => {
  const commands = fc.commands(commandArbitraries, { maxCommands: 60, size: 'max' });
  await fc.assert(
    fc.asyncProperty(shape, commands, async (jobShape, series) => {
      await redis.flushall();
      const setup = async () => ({
        model: new FarmModel(jobShape),
        real: { real: await RealFarm.withJob(redis, jobShape), granted: [] },
      });
      await fc.asyncModelRun(setup, series);
    }),
    { numRuns: 200, verbose: 1 },
  );
});
