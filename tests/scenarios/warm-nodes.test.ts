import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Connections } from '@karst/agent/http/exchange.ts';
import { OrchestratorClient } from '@karst/agent/http/orchestrator-client.ts';
import { loadOrCreateNodeKey } from '@karst/agent/identity/node-key.ts';
import { NodeToken } from '@karst/agent/identity/node-token.ts';
import { ServerClock } from '@karst/agent/identity/server-clock.ts';
import { systemClock } from '@karst/shared/clock.ts';
import type { InputFile } from '@karst/shared/protocol/files.ts';
import type { Job } from '@karst/shared/protocol/job.ts';
import { routes } from '@karst/shared/protocol/routes.ts';
import { afterAll, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import type { FarmAgent } from '../support/farm.ts';
import { uploadAsset } from './support/assets.ts';
import { farmForFile } from './support/farm-for-file.ts';
import { taskIn } from './support/job-state.ts';
import { agentName, Marks, noteStart, waitFor } from './support/marks.ts';
import { shellJob } from './support/shell-job.ts';

const farm = farmForFile({ livenessMs: 5000 });

const connections = new Connections();
afterAll(() => connections.close());

const scene = {
  name: 'Scene',
  type: 'PATH',
  objectType: 'DIRECTORY',
  dataFlow: 'IN',
  default: 'scene',
};

/** A job of pieces of shell that has input files below `scene/`. */
const withScene = (marks: Marks, steps: Parameters<typeof shellJob>[1]) =>
  JSON.stringify({
    ...JSON.parse(shellJob(marks, steps)),
    parameterDefinitions: [{ name: 'Marks', type: 'STRING', default: marks.dir }, scene],
  });

/** The node's side of the protocol, beside its agent. */
async function actAs(agent: FarmAgent): Promise<OrchestratorClient> {
  const serverClock = new ServerClock(systemClock);
  const client = new OrchestratorClient(new URL(farm().urls[0] ?? ''), connections, serverClock);
  const { privateKey } = await loadOrCreateNodeKey(agent.dir);
  client.actAs(agent.nodeId, new NodeToken(agent.nodeId, privateKey, serverClock));
  return client;
}

const isCached = ({ dir }: FarmAgent, { sha256 }: InputFile) =>
  existsSync(join(dir, 'cache', sha256.slice(0, 2), sha256));

const fetched = (agent: FarmAgent, input: InputFile) =>
  eventually('inputs in the cache', async () => (isCached(agent, input) ? true : undefined));

it('fetches the inputs of what comes next while something runs, and lists them for no other node', async () => {
  const marks = await Marks.make(farm());
  const agent = await farm().startAgent();
  const running = await farm().submit(shellJob(marks, [{ script: waitFor('go') }]));
  await taskIn(farm(), running.id, 'running');
  const input = await uploadAsset(farm(), randomBytes(200_000), 'scene/a.bin');
  const next = await farm().submit(withScene(marks, [{ script: 'true' }]), { inputs: [input] });
  await fetched(agent, input);
  expect((await farm().readJob(next.id)).state).toBe('pending');

  // Others, and other steps, were not told of it.
  const client = await actAs(agent);
  const { signal } = new AbortController();
  const hint = { jobId: next.id, step: 0 };
  expect(await client.prefetchInputs(hint, undefined, signal)).toMatchObject({
    ok: true,
    value: { items: [{ path: 'scene/a.bin' }] },
  });
  const other = await farm().startAgent();
  await farm().jobIn(next.id, ['succeeded']);
  expect(isCached(other, input)).toBe(true);
  const refusal = { ok: false, error: { kind: 'problem', status: 404 } };
  const stranger = await actAs(other);
  expect(await stranger.prefetchInputs(hint, undefined, signal)).toMatchObject(refusal);
  expect(await client.prefetchInputs({ ...hint, step: 1 }, undefined, signal)).toMatchObject(
    refusal,
  );
  // It has ended, and the hint with it.
  expect(await client.prefetchInputs(hint, undefined, signal)).toMatchObject(refusal);
  await marks.open('go');
  await farm().jobIn(running.id, ['succeeded']);
});

it('gives a node, among jobs as good, that whose inputs it has', async () => {
  const marks = await Marks.make(farm());
  const held = { policy: { steps: { Second: { hold: true } } } };
  const started = (name: string) => `echo "$KARST_NODE_DIR" >> "$1/${name}"`;
  const prepared = async (name: string): Promise<{ job: Job; agent: FarmAgent }> => {
    const agent = await farm().startAgent();
    const input = await uploadAsset(farm(), randomBytes(100_000), `scene/${name}.bin`);
    const steps = [
      { name: 'First', script: 'true' },
      { name: 'Second', script: started(name) },
    ];
    const job = await farm().submit(withScene(marks, steps), { ...held, inputs: [input] });
    await taskIn(farm(), job.id, 'succeeded', 0, 'First');
    expect(isCached(agent, input)).toBe(true);
    return { job, agent };
  };
  const older = await prepared('older');
  const { nodeId } = older.agent;
  // So that the other node gets the other job.
  await farm().api().call(routes.drainNode, { params: { nodeId }, query: {} });
  const younger = await prepared('younger');
  await farm().api().call(routes.undrainNode, { params: { nodeId } });

  // Both run something else in between: not what they ran last decides.
  const script = `${noteStart}until [ -e "$1/go-$2" ]; do sleep 0.05; done`;
  const between = await farm().submit(shellJob(marks, [{ script, range: '0-1' }]));
  const starts = await Promise.all([0, 1].map((task) => marks.started(task)));
  const at = (agent: FarmAgent) => starts.findIndex((start) => start.agent === agentName(agent));
  for (const { job } of [older, younger]) {
    await farm()
      .api()
      .call(routes.releaseStep, { params: { jobId: job.id, step: 'Second' } });
  }
  await marks.open(`go-${at(younger.agent)}`);
  expect(await marks.written('younger')).toEqual([younger.agent.dir]);
  await farm().jobIn(younger.job.id, ['succeeded']);
  await marks.open(`go-${at(older.agent)}`);
  await farm().jobIn(between.id, ['succeeded']);
  await farm().jobIn(older.job.id, ['succeeded']);
});
