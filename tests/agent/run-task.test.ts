import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AgentProcess } from './support/agent-process.ts';
import { command, shell } from './support/steps.ts';
import { TestOrchestrator } from './support/test-orchestrator.ts';

describe('an agent running tasks', () => {
  let orchestrator: TestOrchestrator;
  let agent: AgentProcess;

  beforeEach(async () => {
    orchestrator = await new TestOrchestrator().start();
    agent = await AgentProcess.start(orchestrator.url);
  });
  afterEach(async () => {
    await agent.dispose();
    await orchestrator.stop();
  });

  it('reports a span of silent successes as one range, without uploads', async () => {
    const lease = orchestrator.lease({ step: command('true'), last: 4 });
    const results = await orchestrator.finished(lease);
    expect(results.every(({ outcome }) => outcome === 'succeeded')).toBe(true);
    expect(results.at(-1)?.last).toBe(4);
    expect(orchestrator.requests.filter((one) => one.includes('/uploads'))).toEqual([]);
  });

  it('reports an exit code', async () => {
    const lease = orchestrator.lease({ step: shell('exit 7') });
    expect(await orchestrator.finished(lease)).toMatchObject([
      { outcome: 'failed', kind: 'exit', exitCode: 7, message: 'exited with code 7' },
    ]);
  });
});
