import { parseArgs } from 'node:util';
import { Redis } from 'ioredis';
import { Farm } from '../support/farm.ts';
import { percentile, rounded } from './process-cpu.ts';

const template = (tasks: number) => `
specificationVersion: jobtemplate-2023-09
name: ${tasks} tasks
steps:
  - name: Frames
    parameterSpace:
      taskParameterDefinitions: [{ name: Frame, type: INT, range: "1-${tasks}" }]
    script: { actions: { onRun: { command: "true" } } }
`;
const ROUNDS = 15;

async function usedBytes(redis: Redis): Promise<number> {
  return Number(/used_memory:(\d+)/.exec(await redis.info('memory'))?.[1] ?? 0);
}

/**
 * What accepting a job costs by its number of tasks: the median time of the request, as the
 * orchestrator answers it over HTTP, sizes taking turns; and what Redis holds more after the first.
 */
export async function run(args: string[]): Promise<unknown> {
  const { values } = parseArgs({
    args,
    options: { tasks: { type: 'string', default: '10,1000000' } },
  });
  const sizes = values.tasks.split(',').map(Number);
  const farm = await Farm.start({ env: { KARST_LOG_LEVEL: 'warn' } });
  const redis = new Redis(farm.redis.url);
  try {
    // The first submissions pay for code that is not compiled yet.
    for (const size of sizes) for (let i = 0; i < 5; i++) await farm.submit(template(size));
    const times = new Map(sizes.map((size) => [size, [] as number[]]));
    const bytes = new Map<number, number>();
    for (let round = 0; round < ROUNDS; round++) {
      for (const size of sizes) {
        const before = await usedBytes(redis);
        const startMs = performance.now();
        await farm.submit(template(size));
        times.get(size)?.push(performance.now() - startMs);
        const grown = Math.max((await usedBytes(redis)) - before, 0);
        bytes.set(size, Math.max(bytes.get(size) ?? 0, grown));
      }
    }
    return {
      results: sizes.map((tasks) => ({
        tasks,
        serverMs: rounded(percentile(times.get(tasks) ?? [], 0.5), 2),
        redisBytes: bytes.get(tasks),
      })),
    };
  } finally {
    redis.disconnect();
    await farm.stop();
  }
}
