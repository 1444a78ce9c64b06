import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';
import { systemClock } from '@karst/shared/clock.ts';
import { z } from 'zod';
import { plotsOf } from './simulator/plots/plots.ts';
import { policyNames } from './simulator/policies/policy.ts';
import { readFarm, readTrace } from './simulator/read-trace.ts';
import { reportText } from './simulator/report-table.ts';
import { simulate } from './simulator/simulate.ts';

/**
 * Entry of `karst simulate`, a process of its own: settings as JSON in its one argument, the report on
 * stdout, all else on stderr. Exits with 1 when a file can't be read or is not valid.
 */
const settings = z
  .object({
    /** Relative to the working directory, as messages name them. */
    farm: z.string(),
    trace: z.string(),
    seed: z.int().min(0).max(0xffffffff),
    policies: z.array(z.enum(policyNames)).min(1),
    plotsDir: z.string().optional(),
    output: z.enum(['table', 'json']),
  })
  .parse(JSON.parse(process.argv[2] ?? ''));

const say = (line: string) => process.stderr.write(`${line}\n`);

function fail(lines: readonly string[]): never {
  for (const line of lines) say(line);
  process.exit(1);
}

async function readText(file: string): Promise<string> {
  try {
    const bytes = await readFile(file);
    return (file.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8');
  } catch (error) {
    return fail([`${file}: can't be read: ${error instanceof Error ? error.message : error}`]);
  }
}

const { seed, policies, plotsDir, output } = settings;
const farm = readFarm(settings.farm, await readText(settings.farm));
if (!farm.ok) fail(farm.error);
const traceName = settings.trace.replace(/\.gz$/, '');
const trace = readTrace(traceName, await readText(settings.trace), farm.value, seed);
if (!trace.ok) fail(trace.error);
if (trace.value.jobs.length === 0) fail([`${settings.trace}: expected jobs, found none`]);

const startedMs = systemClock.monotonicMs();
const simulation = simulate(farm.value, trace.value, {
  seed,
  policies,
  starts: (policy) => say(`${policy} ...`),
});
const tookSeconds = (systemClock.monotonicMs() - startedMs) / 1000;
const { report } = simulation;
say(
  `${policies.length} x ${report.trace.tasks.toLocaleString('en-US')} tasks in ${tookSeconds.toFixed(1)} s`,
);

if (plotsDir !== undefined) {
  await mkdir(plotsDir, { recursive: true });
  for (const [name, svg] of plotsOf(simulation)) {
    await writeFile(path.join(plotsDir, name), svg);
    say(`wrote ${path.join(plotsDir, name)}`);
  }
}
process.stdout.write(
  output === 'json' ? `${JSON.stringify(report, null, 2)}\n` : reportText(report),
);
