import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { Child } from '../support/child.ts';
import { Farm } from '../support/farm.ts';
import { cpuSeconds, rounded } from './process-cpu.ts';
import { rawBullmq } from './raw-bullmq.ts';

/** Empty tasks: the simulated agents never start a process. */
const template = (tasks: number) => `
specificationVersion: jobtemplate-2023-09
name: empty tasks
steps:
  - name: Empty
    parameterSpace:
      taskParameterDefinitions: [{ name: N, type: INT, range: "1-${tasks}" }]
    script: { actions: { onRun: { command: "true" } } }
`;
const TASKS = 1_000_000;
const WARM_SECONDS = 3;

/** What agent-load-main.ts prints. */
const resultSchema = z.object({
  tasks: z.number(),
  syncs: z.number(),
  grantMsP50: z.number(),
  grantMsP99: z.number(),
});

interface Mode {
  tasksPerSecond: number;
  syncsPerSecond: number;
  grantMsP50: number;
  grantMsP99: number;
  cpu: { orchestrator: number; redis: number };
}

async function measure(
  env: Record<string, string>,
  options: { agents: number; slots: number; seconds: number },
): Promise<Mode> {
  const farm = await Farm.start({ livenessMs: 30_000, env: { KARST_LOG_LEVEL: 'warn', ...env } });
  try {
    const adminKey = (await readFile(join(farm.dir, 'admin.key'), 'utf8')).trim();
    for (let i = 0; i < 2; i++) await farm.submit(template(TASKS));
    const main = fileURLToPath(new URL('agent-load-main.ts', import.meta.url));
    const settings = { url: farm.urls[0], adminKey, warmSeconds: WARM_SECONDS, ...options };
    const load = new Child('load', process.execPath, [main, JSON.stringify(settings)], process.env);
    await load.event('enrolled');
    const pids = [farm.replicas[0]?.pid ?? 0, farm.redis.pid];
    const before = pids.map(cpuSeconds);
    const startMs = performance.now();
    const result = resultSchema.parse(await load.event('result'));
    const wall = (performance.now() - startMs) / 1000;
    const [orchestrator = 0, redis = 0] = pids.map((pid, i) => {
      return rounded((cpuSeconds(pid) - (before[i] ?? 0)) / wall, 2);
    });
    return {
      tasksPerSecond: Math.round(result.tasks / options.seconds),
      syncsPerSecond: Math.round(result.syncs / options.seconds),
      grantMsP50: rounded(result.grantMsP50),
      grantMsP99: rounded(result.grantMsP99),
      cpu: { orchestrator, redis },
    };
  } finally {
    await farm.stop();
  }
}

/**
 * Simulated agents over real HTTP, empty tasks: one task a span, then adaptive spans, then BullMQ
 * alone, in one run. CPU in cores, over the measured window and its warm-up.
 */
export async function run(args: string[]): Promise<unknown> {
  const { values } = parseArgs({
    args,
    options: {
      agents: { type: 'string', default: '200' },
      slots: { type: 'string', default: '8' },
      seconds: { type: 'string', default: '20' },
    },
  });
  const options = {
    agents: Number(values.agents),
    slots: Number(values.slots),
    seconds: Number(values.seconds),
  };
  const single = await measure({ KARST_SPAN_TASKS_MAX: '1' }, options);
  const spans = await measure({}, options);
  const farm = await Farm.start({ replicas: 0 });
  try {
    const bullmq = {
      concurrency1: Math.round(await rawBullmq(farm.redis.url, 1, 10_000)),
      concurrency50: Math.round(await rawBullmq(farm.redis.url, 50, 50_000)),
    };
    const { cpu: singleCpu, ...singleRates } = single;
    const { cpu: spansCpu, ...spansRates } = spans;
    return {
      ...options,
      single: singleRates,
      spans: spansRates,
      bullmq,
      cpu: {
        orchestrator: singleCpu.orchestrator,
        redis: singleCpu.redis,
        spans: spansCpu,
      },
    };
  } finally {
    await farm.stop();
  }
}
