import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { Child } from '../support/child.ts';
import { Farm } from '../support/farm.ts';
import { type BusyFarm, fillFarm } from './busy-farm.ts';
import { cpuSeconds, rounded } from './process-cpu.ts';
import { rawBullmq } from './raw-bullmq.ts';

const WARM_SECONDS = 3;
const CURVE_STEPS = [10, 100, 1000, 10_000];
const CURVE_REPLICAS = [1, 2, 3];

/** What agent-load-main.ts prints. */
const resultSchema = z.object({
  tasks: z.number(),
  syncs: z.number(),
  grantMsP50: z.number(),
  grantMsP99: z.number(),
});

interface Measured {
  tasksPerSecond: number;
  syncsPerSecond: number;
  grantMsP50: number;
  grantMsP99: number;
  cpu: { orchestrator: number; redis: number };
}

interface Load {
  agents: number;
  slots: number;
  seconds: number;
}

async function measure(
  env: Record<string, string>,
  load: Load,
  busy: BusyFarm,
  replicas = 1,
): Promise<Measured> {
  const farm = await Farm.start({
    livenessMs: 30_000,
    replicas,
    env: { KARST_LOG_LEVEL: 'warn', KARST_RECONCILE_MS: '5000', ...env },
  });
  try {
    await fillFarm(farm, busy);
    const adminKey = (await readFile(join(farm.dir, 'admin.key'), 'utf8')).trim();
    const main = fileURLToPath(new URL('agent-load-main.ts', import.meta.url));
    const settings = { urls: farm.urls, adminKey, warmSeconds: WARM_SECONDS, ...load };
    const child = new Child(
      'load',
      process.execPath,
      [main, JSON.stringify(settings)],
      process.env,
    );
    await child.event('enrolled');
    const orchestrators = farm.replicas.map(({ pid }) => pid ?? 0);
    const used = (pids: readonly number[]) => pids.reduce((sum, pid) => sum + cpuSeconds(pid), 0);
    const before = { orchestrator: used(orchestrators), redis: used([farm.redis.pid]) };
    const startMs = performance.now();
    const result = resultSchema.parse(await child.event('result'));
    const wall = (performance.now() - startMs) / 1000;
    return {
      tasksPerSecond: Math.round(result.tasks / load.seconds),
      syncsPerSecond: Math.round(result.syncs / load.seconds),
      grantMsP50: rounded(result.grantMsP50),
      grantMsP99: rounded(result.grantMsP99),
      cpu: {
        orchestrator: rounded((used(orchestrators) - before.orchestrator) / wall, 2),
        redis: rounded((used([farm.redis.pid]) - before.redis) / wall, 2),
      },
    };
  } finally {
    await farm.stop();
  }
}

const single = { KARST_SPAN_TASKS_MAX: '1' };

/** Rates by one thing that varies, the rest as given; short runs, one task a span. */
async function curve<T>(
  values: readonly T[],
  run: (value: T) => Promise<Measured>,
): Promise<{ at: T; tasksPerSecond: number; grantMsP99: number }[]> {
  const points: { at: T; tasksPerSecond: number; grantMsP99: number }[] = [];
  for (const at of values) {
    const { tasksPerSecond, grantMsP99 } = await run(at);
    points.push({ at, tasksPerSecond, grantMsP99 });
  }
  return points;
}

/**
 * Simulated agents over real HTTP, empty tasks, fencing, fair share and ceilings on: 500 studios, 2,000
 * jobs of 40 shapes. One task a span, then adaptive spans, then BullMQ alone, in one run. `--curve yes`
 * adds the rate over the number of waiting steps and of replicas. CPU in cores over the measured window
 * and its warm-up.
 */
export async function run(args: string[]): Promise<unknown> {
  const { values } = parseArgs({
    args,
    options: {
      agents: { type: 'string', default: '200' },
      slots: { type: 'string', default: '8' },
      seconds: { type: 'string', default: '20' },
      studios: { type: 'string', default: '500' },
      jobs: { type: 'string', default: '2000' },
      curve: { type: 'string', default: 'no' },
    },
  });
  const load = {
    agents: Number(values.agents),
    slots: Number(values.slots),
    seconds: Number(values.seconds),
  };
  const [studios, jobs] = [Number(values.studios), Number(values.jobs)];
  const busy = { studios, jobs, steps: jobs, tasksPerStep: 1_000_000 };
  const singles = await measure(single, load, busy);
  const spans = await measure({}, load, busy);
  const farm = await Farm.start({ replicas: 0 });
  let bullmq: Record<string, number>;
  try {
    bullmq = {
      concurrency1: Math.round(await rawBullmq(farm.redis.url, 1, 10_000)),
      concurrency50: Math.round(await rawBullmq(farm.redis.url, 50, 50_000)),
    };
  } finally {
    await farm.stop();
  }
  const short = { ...load, seconds: Math.min(load.seconds, 10) };
  const curves =
    values.curve === 'yes'
      ? {
          waitingSteps: await curve(CURVE_STEPS, (steps) =>
            measure(single, short, { ...busy, steps }),
          ),
          replicas: await curve(CURVE_REPLICAS, (replicas) =>
            measure(single, short, busy, replicas),
          ),
        }
      : {};
  return { ...load, studios, jobs, shapes: 40, single: singles, spans, bullmq, ...curves };
}
