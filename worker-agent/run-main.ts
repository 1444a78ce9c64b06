import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { systemClock } from '@karst/shared/clock.ts';
import { systemRandom } from '@karst/shared/random.ts';
import { DiskGuard } from './hardware/disk-guard.ts';
import { LocalRun } from './local/local-run.ts';
import { runPlanSchema } from './local/run-plan.ts';
import { Leftovers } from './process/leftovers.ts';
import { TaskSpawner } from './process/task-spawner.ts';
import { FailureJudge } from './session/failure.ts';

/**
 * `karst run`: runs what the first line of standard input says (see local/run-plan.ts) on this machine,
 * with the agent's sessions and no farm. Output of the actions goes to standard output, the rest to
 * standard error. The first SIGINT or SIGTERM ends what runs the way its template says; the second, or
 * the end of standard input, kills it.
 * Exit code 0: everything succeeded. 1: something failed or was canceled.
 */
async function main(): Promise<0 | 1> {
  const stop = new AbortController();
  const kill = new AbortController();
  const ask = () => {
    if (stop.signal.aborted) kill.abort();
    stop.abort();
  };
  process.on('SIGINT', ask);
  process.on('SIGTERM', ask);
  process.stdout.on('error', () => undefined);
  process.stderr.on('error', () => undefined);
  const line = await firstLine(() => {
    stop.abort();
    kill.abort();
  });
  const plan = runPlanSchema.parse(JSON.parse(line));
  const dir = await realpath(await mkdtemp(join(tmpdir(), 'karst-run-')));
  const clock = systemClock;
  const leftovers = new Leftovers(dir);
  const spawner = new TaskSpawner(dir, clock);
  const host = {
    path: process.env.PATH ?? '/usr/bin:/bin',
    user: userInfo().username,
    agentDir: dir,
    devices: {},
    inherited: ownVariables(),
  };
  const judge = new FailureJudge(new DiskGuard(dir, 0, clock));
  const run = new LocalRun({
    plan,
    parts: { spawner, leftovers, host, judge, clock },
    dir,
    to: {
      out: (text) => process.stdout.write(text),
      say: (told) => process.stderr.write(`karst run: ${told}\n`),
    },
    clock,
    random: systemRandom,
    stop: stop.signal,
    kill: kill.signal,
  });
  try {
    return (await run.run()) ? 0 : 1;
  } finally {
    await spawner.close();
    await leftovers.close();
    if (plan.preserve !== true) await rm(dir, { recursive: true, force: true, maxRetries: 3 });
  }
}

function ownVariables(): Record<string, string> {
  const variables: Record<string, string> = {};
  for (const [name, value] of Object.entries(process.env)) {
    if (value !== undefined) variables[name] = value;
  }
  return variables;
}

/** The first line of standard input; `ended` is called when that ends. */
function firstLine(ended: () => void): Promise<string> {
  const input = createInterface({ input: process.stdin });
  return new Promise((resolve) => {
    input.once('line', resolve);
    input.once('close', () => {
      ended();
      resolve('');
    });
  });
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`karst run: ${error instanceof Error ? error.message : error}\n`);
  process.exitCode = 1;
}
process.stdin.destroy();
