import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { listProcesses } from '../../../worker-agent/process/process-table.ts';
import { AgentProcess } from '../support/agent-process.ts';
import { command } from '../support/steps.ts';
import { TestOrchestrator } from '../support/test-orchestrator.ts';

/**
 * `true` processes a second: through one agent (in spans, and one task a span) and by a bare Node loop
 * at the same concurrency, interleaved, because the machine's speed drifts.
 * Usage: node tests/agent/bench/spawn-rate.ts [slots] [tasks] [rounds]
 */
const [slots = 16, tasks = 1600, rounds = 3] = process.argv.slice(2).map(Number);

async function bareLoop(): Promise<number> {
  let left = tasks;
  const startMs = performance.now();
  const one = () =>
    new Promise<void>((resolve, reject) => {
      const child = spawn('true', [], { stdio: 'ignore' });
      child.on('error', reject);
      child.on('exit', () => resolve());
    });
  const lane = async () => {
    while (left-- > 0) await one();
  };
  await Promise.all(Array.from({ length: slots }, lane));
  return (1000 * tasks) / (performance.now() - startMs);
}

const orchestrator = await new TestOrchestrator().start();
const agent = await AgentProcess.start(orchestrator.url, { KARST_SLOTS: String(slots) });

async function throughAgent(spans: number): Promise<number> {
  const startMs = performance.now();
  const last = tasks / spans - 1;
  const first = orchestrator.lease({ step: command('true'), last });
  const leases = [first];
  for (let span = 1; span < spans; span++) {
    leases.push(orchestrator.lease({ like: first }));
  }
  for (const lease of leases) await orchestrator.finished(lease);
  const ms = performance.now() - startMs;
  orchestrator.leases.length = 0;
  return (1000 * tasks) / ms;
}

const rssMib = () =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${agent.pid}/status`, 'utf8'))?.[1]) / 1024;

/** CPU time of a process itself, ms (the kernel counts in ticks of 10 ms). */
function cpuMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return 10 * (Number(fields[11]) + Number(fields[12]));
}

const helperPid = listProcesses().find(({ parentPid }) => parentPid === agent.pid)?.pid ?? 0;
const results = [];
for (let round = 0; round < rounds; round++) {
  const spawnLimitPerSecond = Math.round(await bareLoop());
  const before = { agent: cpuMs(agent.pid), helper: cpuMs(helperPid) };
  const spansPerSecond = Math.round(await throughAgent(slots));
  const cpuMsPerTask = {
    agent: (cpuMs(agent.pid) - before.agent) / tasks,
    helper: (cpuMs(helperPid) - before.helper) / tasks,
  };
  const singlePerSecond = Math.round(await throughAgent(tasks));
  results.push({
    spawnLimitPerSecond,
    spansPerSecond,
    cpuMsPerTask,
    singlePerSecond,
    rssMib: Math.round(rssMib()),
  });
}
process.stdout.write(`${JSON.stringify({ slots, tasks, results })}\n`);
await agent.dispose();
await orchestrator.stop();
