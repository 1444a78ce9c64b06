import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type PolicyName, policyNames } from '@karst/orchestrator/simulator/policies/policy.ts';
import { readFarm, readTrace } from '@karst/orchestrator/simulator/read-trace.ts';
import { simulate } from '@karst/orchestrator/simulator/simulate.ts';
import { z } from 'zod';
import { rounded } from './process-cpu.ts';

const read = (name: string) =>
  readFile(fileURLToPath(new URL(`../../examples/simulate/${name}`, import.meta.url)), 'utf8');

/**
 * A quarter of six studios' frames, 3.12 million, on 600 nodes: the farm's own policy and three others
 * over the same trace, failures and task times, one after the other on one thread. `seconds` is all of
 * them with the making of the trace, each policy's `cpuSeconds` its own.
 */
export async function run(args: string[]): Promise<unknown> {
  const { values } = parseArgs({
    args,
    options: {
      policies: { type: 'string', default: policyNames.join(',') },
      seed: { type: 'string', default: '1' },
    },
  });
  const policies = z.array(z.enum(policyNames)).parse(values.policies.split(','));
  const seed = z.coerce.number().int().min(0).parse(values.seed);
  const startedMs = performance.now();
  const farm = readFarm('bench-farm.yaml', await read('bench-farm.yaml'));
  if (!farm.ok) throw new Error(farm.error.join('\n'));
  const trace = readTrace('bench-film.yaml', await read('bench-film.yaml'), farm.value, seed);
  if (!trace.ok) throw new Error(trace.error.join('\n'));

  const starts: { policy: PolicyName; cpuSeconds: number }[] = [];
  const cpuSeconds = () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  };
  const { report } = simulate(farm.value, trace.value, {
    seed,
    policies,
    starts: (policy) => {
      process.stderr.write(`${policy} ...\n`);
      starts.push({ policy, cpuSeconds: cpuSeconds() });
    },
  });
  const ends = [...starts.slice(1).map((start) => start.cpuSeconds), cpuSeconds()];
  const runs = starts.map(({ policy, cpuSeconds: from }, n) => {
    const own = rounded((ends[n] ?? from) - from);
    return [policy, { cpuSeconds: own, ...report.policies[policy] }];
  });
  return {
    seconds: rounded((performance.now() - startedMs) / 1000),
    tasks: report.trace.tasks,
    memoryMb: Math.round(process.memoryUsage().rss / 1e6),
    farm: report.farm,
    trace: report.trace,
    policies: Object.fromEntries(runs),
  };
}
