import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Child } from '../support/child.ts';
import { eventually } from '../support/eventually.ts';
import { Farm } from '../support/farm.ts';
import { percentile, rounded } from './process-cpu.ts';

const template = (tasks: number) => `
specificationVersion: jobtemplate-2023-09
name: ${tasks} x true
steps:
  - name: "True"
    parameterSpace:
      taskParameterDefinitions: [{ name: N, type: INT, range: "1-${tasks}" }]
    script: { actions: { onRun: { command: "true" } } }
`;

async function spawnLoop(count: number, concurrency: number): Promise<number> {
  const main = fileURLToPath(new URL('spawn-loop-main.ts', import.meta.url));
  const args = [main, String(count), String(concurrency)];
  const child = new Child('spawn-loop', process.execPath, args, process.env);
  return Number((await child.event('result')).perSecond);
}

/** Tasks/s of one agent, from the first finished task to the last. */
async function karst(farm: Farm, count: number): Promise<number> {
  const job = await farm.submit(template(count));
  const first = await eventually('the first finished task', async () => {
    const { succeeded } = (await farm.readJob(job.id)).taskCounts;
    return succeeded > 0 ? { succeeded, atMs: performance.now() } : undefined;
  });
  const done = await farm.jobIn(job.id, ['succeeded', 'failed'], 300_000);
  const seconds = (performance.now() - first.atMs) / 1000;
  if (done.taskCounts.succeeded !== count) throw new Error(`job ${done.state}: ${farm.logs()}`);
  return (count - first.succeeded) / seconds;
}

/**
 * Real `true` processes through one agent (submit, queue, lease, session, spawn, report) against the
 * same number spawned by a bare Node loop at the same concurrency, taking turns in one run; medians.
 */
export async function run(args: string[]): Promise<unknown> {
  const { values } = parseArgs({
    args,
    options: {
      tasks: { type: 'string', default: '6000' },
      concurrency: { type: 'string', default: '16' },
      rounds: { type: 'string', default: '3' },
    },
  });
  const tasks = Number(values.tasks);
  const concurrency = Number(values.concurrency);
  const farm = await Farm.start({ livenessMs: 30_000, env: { KARST_LOG_LEVEL: 'warn' } });
  const spawned: number[] = [];
  const ours: number[] = [];
  try {
    await farm.startAgent({ slots: concurrency });
    await karst(farm, 1000);
    for (let round = 0; round < Number(values.rounds); round++) {
      spawned.push(await spawnLoop(tasks, concurrency));
      ours.push(await karst(farm, tasks));
    }
    const spawnLimitPerSecond = rounded(percentile(spawned, 0.5));
    const karstPerSecond = rounded(percentile(ours, 0.5));
    const ratio = rounded(karstPerSecond / spawnLimitPerSecond, 2);
    return { spawnLimitPerSecond, karstPerSecond, concurrency, ratio, tasks };
  } finally {
    await farm.stop();
  }
}
