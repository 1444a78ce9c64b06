import { readFile } from 'node:fs/promises';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Redis } from 'ioredis';
import { eventually } from '../support/eventually.ts';
import { Farm } from '../support/farm.ts';
import { cpuSeconds, percentile, rounded } from './process-cpu.ts';
import { SimulatedAgents } from './simulated-agents.ts';

const LIVENESS_MS = 30_000;
/** As an agent that holds nothing asks for. */
const WAIT_MS = (3 * LIVENESS_MS) / 4;
/** Submissions of one task each, for how soon the first grant comes: enough for a 99th percentile. */
const SUBMISSIONS = 500;
/** Before those, apart: the first run code that no call has run since the replica started. */
const COLD_SUBMISSIONS = 10;

const template = (tasks: number) => `
specificationVersion: jobtemplate-2023-09
name: ${tasks} tasks
steps:
  - name: Frames
    parameterSpace:
      taskParameterDefinitions: [{ name: Frame, type: INT, range: "1-${tasks}" }]
    script: { actions: { onRun: { command: "true" } } }
`;

async function rssBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? 0) * 1024;
}

/** Grants as they come, and when. */
class Arrivals {
  private readonly atMs: number[] = [];

  note(): void {
    this.atMs.push(performance.now());
  }

  get count(): number {
    return this.atMs.length;
  }

  /** Of those behind the first `from`: when each came, ms after `startMs`. */
  since(from: number, startMs: number): number[] {
    return this.atMs.slice(from).map((ms) => ms - startMs);
  }
}

/**
 * Agents that wait for work at one replica over real HTTP: what they cost it while there is none, and
 * how soon they have some once it is submitted. `grantMs` are from the submission's first byte to the
 * answer at the agent: of one job with a task for each agent, and of jobs of one task, one after another.
 */
export async function run(args: string[]): Promise<unknown> {
  const { values } = parseArgs({
    args,
    options: {
      agents: { type: 'string', default: '5000' },
      seconds: { type: 'string', default: '30' },
    },
  });
  const agents = Number(values.agents);
  const seconds = Number(values.seconds);
  const farm = await Farm.start({
    livenessMs: LIVENESS_MS,
    env: { KARST_LOG_LEVEL: 'warn', KARST_RECONCILE_MS: '5000', KARST_SPAN_TASKS_MAX: '1' },
  });
  const redis = new Redis(farm.redis.url);
  try {
    const adminKey = (await readFile(join(farm.dir, 'admin.key'), 'utf8')).trim();
    const nodes = await SimulatedAgents.enroll({ urls: farm.urls, adminKey, agents, slots: 1 });
    const arrivals = new Arrivals();
    let isOver = false;
    const idling = nodes.idle(
      WAIT_MS,
      () => arrivals.note(),
      () => isOver,
    );
    await Promise.race([idling, pause(2 * WAIT_MS)]);

    const pids = { orchestrator: farm.replicas[0]?.pid ?? 0, redis: farm.redis.pid };
    const before = {
      orchestrator: cpuSeconds(pids.orchestrator),
      redis: cpuSeconds(pids.redis),
      ms: performance.now(),
    };
    await Promise.race([idling, pause(seconds * 1000)]);
    const wall = (performance.now() - before.ms) / 1000;
    const cpuCores = (cpuSeconds(pids.orchestrator) - before.orchestrator) / wall;
    const redisCores = (cpuSeconds(pids.redis) - before.redis) / wall;
    const rss = await rssBytes(pids.orchestrator);
    const clients = String(await redis.client('LIST'))
      .trim()
      .split('\n').length;

    const submit = async (tasks: number) => {
      const from = arrivals.count;
      const startMs = performance.now();
      await farm.submit(template(tasks));
      const all = eventually(
        'every task is granted',
        () => arrivals.count >= from + tasks,
        120_000,
      );
      await Promise.race([idling, all]);
      return arrivals.since(from, startMs);
    };
    const oneByOne = async (submissions: number) => {
      const grantMs: number[] = [];
      for (let i = 0; i < submissions; i++) grantMs.push(...(await submit(1)));
      return grantMs;
    };
    const cold = await oneByOne(COLD_SUBMISSIONS);
    const firsts = await oneByOne(SUBMISSIONS);
    const burst = await submit(agents);
    isOver = true;
    nodes.close();
    return {
      agents,
      cpuCores: rounded(cpuCores, 3),
      redisCpuCores: rounded(redisCores, 3),
      rssBytes: rss,
      // Without the bench's own.
      redisConnections: clients - 1,
      firstGrantMs: rounded(Math.min(...burst)),
      lastGrantMs: rounded(Math.max(...burst)),
      oneTask: {
        submissions: SUBMISSIONS,
        grantMsP50: rounded(percentile(firsts, 0.5)),
        grantMsP99: rounded(percentile(firsts, 0.99)),
        grantMsMax: rounded(Math.max(...firsts)),
        coldGrantMsMax: rounded(Math.max(...cold)),
      },
      load: loadavg().map((one) => rounded(one)),
    };
  } finally {
    redis.disconnect();
    await farm.stop();
  }
}
