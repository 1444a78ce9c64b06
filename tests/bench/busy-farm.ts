import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ApiClient } from '@karst/cli/api/client.ts';
import { counterNames } from '@karst/orchestrator/scheduler/counters.ts';
import { Ledger } from '@karst/orchestrator/store/ledger.ts';
import { studioIdSchema } from '@karst/shared/protocol/ids.ts';
import { routes } from '@karst/shared/protocol/routes.ts';
import { systemRandom } from '@karst/shared/random.ts';
import { Redis } from 'ioredis';
import type { Farm } from '../support/farm.ts';
import { inLanes } from './in-lanes.ts';

/** What a farm has to decide among. */
export interface BusyFarm {
  studios: number;
  jobs: number;
  /** Waiting steps in all, spread over the jobs. */
  steps: number;
  tasksPerStep: number;
}

/** Leases a studio may hold at once: never reached by its fair share, but counted on every grant. */
const STUDIO_TASKS_MAX = 1000;

/** 40 shapes: 4 numbers of cores, 5 amounts of memory, with and without a GPU. */
function requirements(n: number): string {
  const shape = n % 40;
  const amounts = [
    `{name: amount.worker.vcpu, min: ${1 + (shape % 4)}}`,
    `{name: amount.worker.memory, min: ${1024 * (1 + (Math.floor(shape / 4) % 5))}}`,
    ...(shape >= 20 ? ['{name: amount.worker.gpu, min: 1}'] : []),
  ];
  return `{amounts: [${amounts.join(', ')}]}`;
}

function template(job: number, steps: number, tasks: number): string {
  const list = Array.from(
    { length: steps },
    (_, i) => `
  - name: S${i}
    hostRequirements: ${requirements(job + i)}
    parameterSpace:
      taskParameterDefinitions: [{ name: N, type: INT, range: "1-${tasks}" }]
    script: { actions: { onRun: { command: "true" } } }`,
  );
  return `specificationVersion: jobtemplate-2023-09\nname: empty tasks\nsteps:${list.join('')}\n`;
}

/** Makes the studios, their ceilings and their jobs; every step waits for nodes afterwards. */
export async function fillFarm(farm: Farm, busy: BusyFarm): Promise<void> {
  const adminKey = (await readFile(join(farm.dir, 'admin.key'), 'utf8')).trim();
  const url = new URL(farm.urls[0] ?? '');
  const client = (key: string) => new ApiClient({ url, key, random: systemRandom });
  const names = Array.from({ length: busy.studios }, (_, i) => studioIdSchema.parse(`studio-${i}`));
  const redis = new Redis(farm.redis.url);
  const ceilings = names.map((name) => [counterNames.studioTasks(name), STUDIO_TASKS_MAX] as const);
  await new Ledger(redis).setCeilings(new Map(ceilings));
  redis.disconnect();
  const keys = await inLanes(names, async (studio) => {
    const body = { studio, role: 'submit' as const };
    return (await client(adminKey).call(routes.createKey, { body })).key;
  });
  const jobs = Array.from({ length: Math.min(busy.jobs, busy.steps) }, (_, i) => i);
  await inLanes(jobs, async (job) => {
    const steps = Math.floor((busy.steps + jobs.length - 1 - job) / jobs.length);
    const body = {
      // A job has a million tasks at most.
      template: template(job, steps, Math.min(busy.tasksPerStep, Math.floor(1_000_000 / steps))),
      policy: { priority: 40 + (job % 20), maxTasks: STUDIO_TASKS_MAX },
    };
    await client(keys[job % keys.length] ?? '').call(routes.submitJob, { body });
  });
}
