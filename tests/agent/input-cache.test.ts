import { createHash, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type JobId, jobIdSchema } from '@karst/shared/protocol/ids.ts';
import type { SyncRequest } from '@karst/shared/protocol/node.ts';
import { expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { AgentProcess } from './support/agent-process.ts';
import { startAgent, startOrchestrator } from './support/farm.ts';
import { shell } from './support/steps.ts';

const mebibyte = 1024 * 1024;

it('an agent killed in the middle of a download leaves nothing that counts', async () => {
  const orchestrator = await startOrchestrator();
  const content = randomBytes(40 * mebibyte);
  const asset = orchestrator.asset(content);
  const { storage } = orchestrator;
  storage.sendsAtMost = 5 * mebibyte;
  const killed = await AgentProcess.start(orchestrator.url);
  const inputs = [{ path: 'a.bin', ...asset, executable: false }];
  const lease = orchestrator.lease({ step: shell('sha256sum < a.bin'), inputs });
  const incoming = join(killed.dir, 'cache', 'incoming');
  await orchestrator.changes.until(() => storage.stalled > 0 || undefined);
  await eventually('a part has come', async () => (await readdir(incoming)).length === 1);
  killed.killWithHelper();
  await killed.ended();
  orchestrator.lose(lease);

  storage.sendsAtMost = undefined;
  const { dir } = killed;
  await startAgent(orchestrator.url, {}, { dir });
  expect(await readdir(incoming)).toEqual([]);
  const path = join(dir, 'cache', asset.sha256.slice(0, 2), asset.sha256);
  expect(existsSync(path)).toBe(false);
  const again = orchestrator.lease({ step: shell('sha256sum < files/a.bin'), inputs });
  expect(await orchestrator.finished(again)).toMatchObject([{ outcome: 'succeeded' }]);
  const log = orchestrator.object(again, 0, 'log', 'task.log')?.toString();
  expect(log).toContain(createHash('sha256').update(content).digest('hex'));
});

it('fetches ahead what is likely next, until it no longer is', async () => {
  const orchestrator = await startOrchestrator();
  const agent = await startAgent(orchestrator.url);
  const { storage } = orchestrator;
  const large = orchestrator.asset(randomBytes(40 * mebibyte));
  const small = orchestrator.asset(randomBytes(1000));
  const cached = ({ sha256 }: { sha256: string }) =>
    existsSync(join(agent.dir, 'cache', sha256.slice(0, 2), sha256)) || undefined;
  storage.sendsAtMost = 5 * mebibyte;
  orchestrator.ahead = [small, large].map((asset, i) => ({
    path: `${i}.bin`,
    ...asset,
    executable: false,
  }));
  const jobId = jobIdSchema.parse('job-00000000000000000002');
  const tell = (...hints: { jobId: JobId; step: number }[]) => {
    orchestrator.hints = hints;
    orchestrator.wake();
  };
  tell({ jobId, step: 0 });
  await eventually('both are fetched', async () => cached(small) && storage.stalled === 1);
  tell();
  await eventually('the download ends', async () => storage.stalled === 0);
  expect(cached(large)).toBeUndefined();

  storage.sendsAtMost = undefined;
  tell({ jobId, step: 0 });
  await eventually('the rest is fetched', async () => cached(large));
  tell();
  // Now the node has the job's inputs, and says so.
  const isTold = ({ warm }: SyncRequest) => warm.includes(jobId);
  await orchestrator.changes.until(() => orchestrator.syncs.some(isTold) || undefined);
  const inputs = [{ path: 'a.bin', ...large, executable: false }];
  const requests = orchestrator.requests.length;
  const lease = orchestrator.lease({ step: shell('test -s files/a.bin'), inputs, jobId });
  expect(await orchestrator.finished(lease)).toMatchObject([{ outcome: 'succeeded' }]);
  expect(orchestrator.requests.slice(requests).filter((one) => one.includes('assets'))).toEqual([]);
});

it('two agents do not share a cache', async () => {
  const orchestrator = await startOrchestrator();
  const shared = await mkdtemp(join(tmpdir(), 'karst-cache-'));
  const first = await mkdtemp(join(tmpdir(), 'karst-agent-'));
  const second = await mkdtemp(join(tmpdir(), 'karst-agent-'));
  await mkdir(shared, { recursive: true });
  for (const dir of [first, second]) await symlink(shared, join(dir, 'cache'));
  await startAgent(orchestrator.url, {}, { dir: first });
  orchestrator.tokens.add('another-token');
  const refused = await startAgent(
    orchestrator.url,
    { KARST_ENROLLMENT_TOKEN: 'another-token' },
    { dir: second, ready: false },
  );
  expect(await refused.ended()).toMatchObject({ code: 1 });
  expect(refused.stderr).toMatch(/another agent \(process \d+\) uses .*cache/);
  await rm(shared, { recursive: true });
});
