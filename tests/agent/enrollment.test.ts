import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { startAgent, startOrchestrator } from './support/farm.ts';
import { command } from './support/steps.ts';

describe('enrolment', () => {
  it('keeps the key for the owner only and needs no token the next time', async () => {
    const orchestrator = await startOrchestrator();
    const agent = await startAgent(orchestrator.url);
    expect((await stat(agent.dir)).mode & 0o777).toBe(0o700);
    const keyFile = join(agent.dir, 'node-key.json');
    expect((await stat(keyFile)).mode & 0o777).toBe(0o600);
    expect(JSON.parse(await readFile(keyFile, 'utf8'))).toMatchObject({
      kty: 'OKP',
      crv: 'Ed25519',
      x: orchestrator.enrolledAs?.x,
    });
    agent.kill('SIGTERM');
    expect(await agent.ended()).toEqual({ code: 0, signal: null });
    orchestrator.tokens.clear();
    const again = await startAgent(
      orchestrator.url,
      { KARST_ENROLLMENT_TOKEN: 'used-up' },
      { dir: agent.dir },
    );
    expect(again.stdout).toBe(`{"event":"ready","nodeId":"${orchestrator.nodeId}"}\n`);
    const [first, second] = new Set(orchestrator.syncs.map(({ bootedAtMs }) => bootedAtMs));
    expect(second).toBeGreaterThan(first ?? 0);
  });

  it('reads the token from a file', async () => {
    const orchestrator = await startOrchestrator();
    const agent = await startAgent(
      orchestrator.url,
      { KARST_ENROLLMENT_TOKEN: 'bad' },
      { ready: false },
    );
    expect(await agent.ended()).toEqual({ code: 4, signal: null });
    await writeFile(join(agent.dir, 'token'), 'good-token\n');
    const env = {
      KARST_ENROLLMENT_TOKEN: '',
      KARST_ENROLLMENT_TOKEN_FILE: join(agent.dir, 'token'),
    };
    await startAgent(orchestrator.url, env, { dir: agent.dir });
  });

  it('ends with code 4 when the token is wrong or used up, saying so', async () => {
    const orchestrator = await startOrchestrator();
    const wrong = await startAgent(
      orchestrator.url,
      { KARST_ENROLLMENT_TOKEN: 'no' },
      { ready: false },
    );
    expect(await wrong.ended()).toEqual({ code: 4, signal: null });
    expect(wrong.stderr).toContain('refused to enrol this node: Authentication is required');
    await startAgent(orchestrator.url);
    const late = await startAgent(orchestrator.url, {}, { ready: false });
    expect(await late.ended()).toEqual({ code: 4, signal: null });
    expect(late.stderr).toContain('The enrolment token has been used');
  });

  it('can be repeated with the same key when its answer was lost', async () => {
    const orchestrator = await startOrchestrator((one) => {
      one.dropAnswersToEnrollment = 1;
    });
    const agent = await startAgent(orchestrator.url);
    expect(agent.stderr).toContain('trying again');
  });

  it('ends with code 4 when the orchestrator does not know the node any more', async () => {
    const orchestrator = await startOrchestrator();
    const agent = await startAgent(orchestrator.url);
    agent.kill('SIGTERM');
    await agent.ended();
    orchestrator.enrolledAs = undefined;
    const again = await startAgent(orchestrator.url, {}, { dir: agent.dir, ready: false });
    expect(await again.ended()).toEqual({ code: 4, signal: null });
    expect(again.stderr).toContain('does not know this node');
  });

  it('and everything after it work on a node whose clock is wrong by hours', async () => {
    const orchestrator = await startOrchestrator((one) => {
      one.clockOffsetMs = 5 * 3_600_000;
    });
    const agent = await startAgent(orchestrator.url);
    const lease = orchestrator.lease({ step: command('true') });
    expect(await orchestrator.finished(lease)).toMatchObject([{ outcome: 'succeeded' }]);
    agent.kill('SIGTERM');
    await agent.ended();
    // Enrolled already, the new process learns the time from the first refusal.
    orchestrator.clockOffsetMs = -7 * 3_600_000;
    await startAgent(orchestrator.url, {}, { dir: agent.dir });
    const next = orchestrator.lease({ step: command('true') });
    expect(await orchestrator.finished(next)).toMatchObject([{ outcome: 'succeeded' }]);
  });

  it('is not even tried with settings that are wrong', async () => {
    const agent = await startAgent('ftp://farm', { KARST_SLOTS: 'many' }, { ready: false });
    expect(await agent.ended()).toEqual({ code: 1, signal: null });
    expect(agent.stderr).toContain('KARST_URL: expected an http or https URL');
    expect(agent.stderr).toContain('KARST_SLOTS');
  });
});
