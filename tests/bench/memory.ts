import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { objectKeys } from '@karst/orchestrator/objects/keys.ts';
import { createObjectStore } from '@karst/orchestrator/objects/store.ts';
import { keys } from '@karst/orchestrator/store/keys.ts';
import type { Job } from '@karst/shared/protocol/job.ts';
import type { Grant } from '@karst/shared/protocol/lease.ts';
import { Redis } from 'ioredis';
import { eventually } from '../support/eventually.ts';
import { Farm } from '../support/farm.ts';
import { cpuSeconds, rounded } from './process-cpu.ts';
import { type LeaseReportInput, SimulatedAgents } from './simulated-agents.ts';

const MINUTES_MAX = 15;
/** Tasks, unless told otherwise: one-task spans and outputs take their time. */
const TASKS = { spans: 1_000_000, single: 200_000, outputs: 20_000 };

const template = (tasks: number) => `
specificationVersion: jobtemplate-2023-09
name: ${tasks} tasks
steps:
  - name: Frames
    parameterSpace:
      taskParameterDefinitions: [{ name: Frame, type: INT, range: "1-${tasks}" }]
    script: { actions: { onRun: { command: "true" } } }
`;

async function usedBytes(redis: Redis): Promise<number> {
  await redis.memory('PURGE');
  return Number(/used_memory:(\d+)/.exec(await redis.info('memory'))?.[1] ?? 0);
}

/** Work that leaves one small output of each task. */
function withOutputs(farm: Farm, job: () => Job) {
  const { endpoint, bucket, accessKeyId, secretAccessKey } = farm.storage;
  const objects = createObjectStore({
    endpoint,
    publicEndpoint: undefined,
    region: 'us-east-1',
    bucket,
    accessKeyId,
    secretAccessKey,
  });
  return async ({ step, epoch, first, last }: Grant): Promise<LeaseReportInput['results']> => {
    const { id, studio } = job();
    const nowMs = performance.timeOrigin + performance.now();
    const tasks = Array.from({ length: last - first + 1 }, (_, i) => first + i);
    const results: LeaseReportInput['results'] = [];
    for (const task of tasks) {
      const path = `render/frame.${task}.txt`;
      const text = String(task);
      await objects.putText(objectKeys.attempt(studio, id, step, task, epoch, path), text);
      const sha256 = createHash('sha256').update(text).digest('hex');
      const outputs = [{ path, sha256, sizeBytes: text.length }];
      const times = { startedAtMs: nowMs, endedAtMs: nowMs };
      results.push({ outcome: 'succeeded', first: task, last: task, ...times, outputs });
    }
    return results;
  };
}

/**
 * What a task takes in Redis while it waits and once it has finished: one step run to its end by
 * simulated agents over real HTTP, Redis measured before, after submission, and when what is to be paged
 * out is. `--single yes`: each task travels alone; `--outputs yes`: each leaves a file.
 */
export async function run(args: string[]): Promise<unknown> {
  const { values } = parseArgs({
    args,
    options: {
      tasks: { type: 'string' },
      agents: { type: 'string' },
      slots: { type: 'string', default: '8' },
      single: { type: 'string', default: 'no' },
      outputs: { type: 'string', default: 'no' },
    },
  });
  const isSingle = values.single === 'yes';
  const hasOutputs = values.outputs === 'yes';
  const kind = hasOutputs ? 'outputs' : isSingle ? 'single' : 'spans';
  const tasks = Number(values.tasks ?? TASKS[kind]);
  const farm = await Farm.start({
    livenessMs: 30_000,
    env: {
      KARST_LOG_LEVEL: 'warn',
      KARST_RECONCILE_MS: '5000',
      ...(isSingle ? { KARST_SPAN_TASKS_MAX: '1' } : {}),
    },
  });
  const redis = new Redis(farm.redis.url);
  try {
    const adminKey = (await readFile(join(farm.dir, 'admin.key'), 'utf8')).trim();
    let submitted: Job | undefined;
    const job = () => {
      if (submitted === undefined) throw new Error('no job was submitted yet');
      return submitted;
    };
    const agents = await SimulatedAgents.enroll({
      urls: farm.urls,
      adminKey,
      // Uploads of more agents at once would stand in line.
      agents: Number(values.agents ?? (hasOutputs ? 4 : 50)),
      slots: Number(values.slots),
      ...(hasOutputs ? { work: withOutputs(farm, job) } : {}),
    });
    await agents.introduce();
    const idle = await usedBytes(redis);
    submitted = await farm.submit(template(tasks));
    const waiting = await usedBytes(redis);
    const orchestrator = farm.replicas[0]?.pid ?? 0;
    const cpuBefore = cpuSeconds(orchestrator);
    const startMs = performance.now();
    let isOver = false;
    let peak = waiting;
    const working = agents.runUntil(() => isOver);
    const over = eventually(
      'the job has succeeded',
      async () => {
        peak = Math.max(peak, await usedBytes(redis));
        const { state } = await farm.readJob(job().id);
        if (state === 'failed' || state === 'canceled') throw new Error(`the job is ${state}`);
        isOver = state === 'succeeded';
        return isOver;
      },
      MINUTES_MAX * 60_000,
    );
    await Promise.race([working, over]);
    await Promise.all([working, over]);
    const runSeconds = (performance.now() - startMs) / 1000;
    await eventually(
      'everything is published and paged out',
      async () => {
        const { outputs } = await farm.readJob(job().id);
        const isActive = await redis.sismember(keys.activeJobs(), job().id);
        const isUnpaged = await redis.sismember(keys.unpagedJobs(), job().id);
        return outputs.published === outputs.accepted && isActive + isUnpaged === 0;
      },
      MINUTES_MAX * 60_000,
    );
    const settledSeconds = (performance.now() - startMs) / 1000;
    const finished = await usedBytes(redis);
    agents.close();
    const perTask = (bytes: number) => rounded((bytes - idle) / tasks, 2);
    return {
      tasks,
      kind,
      waitingBytesPerTask: perTask(waiting),
      peakBytesPerTask: perTask(peak),
      finishedBytesPerTask: perTask(finished),
      pages: await redis.hlen(keys.pages(job().id, 0)),
      runSeconds: rounded(runSeconds),
      settledSeconds: rounded(settledSeconds),
      orchestratorCpuSeconds: rounded(cpuSeconds(orchestrator) - cpuBefore),
      load: loadavg().map((one) => rounded(one)),
    };
  } finally {
    redis.disconnect();
    await farm.stop();
  }
}
