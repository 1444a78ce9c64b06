import { afterEach } from 'vitest';
import { AgentProcess } from './agent-process.ts';
import { TestOrchestrator } from './test-orchestrator.ts';

interface Ends {
  dispose(): Promise<unknown>;
}

const open: Ends[] = [];

afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.dispose();
});

/** An orchestrator for one test, stopped after it. `prepare` sets it up before anybody calls. */
export async function startOrchestrator(
  prepare: (orchestrator: TestOrchestrator) => void = () => undefined,
): Promise<TestOrchestrator> {
  const orchestrator = new TestOrchestrator();
  prepare(orchestrator);
  await orchestrator.start();
  open.push({ dispose: () => orchestrator.stop() });
  return orchestrator;
}

/** An agent for one test, ended after it. */
export async function startAgent(
  ...how: Parameters<typeof AgentProcess.start>
): Promise<AgentProcess> {
  const agent = await AgentProcess.start(...how);
  open.push(agent);
  return agent;
}
