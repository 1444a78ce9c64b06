import { createApiKeys } from '@karst/orchestrator/access/api-keys.ts';
import { createEnrollment } from '@karst/orchestrator/access/enrollment.ts';
import { parseConfig } from '@karst/orchestrator/config.ts';
import { type RunningOrchestrator, startOrchestrator } from '@karst/orchestrator/orchestrator.ts';
import { systemClock } from '@karst/shared/clock.ts';
import { studioIdSchema } from '@karst/shared/protocol/ids.ts';
import { jobSchema } from '@karst/shared/protocol/job.ts';
import { syncResponseSchema } from '@karst/shared/protocol/node.ts';
import { type Route, routeUrl } from '@karst/shared/protocol/route.ts';
import { routes } from '@karst/shared/protocol/routes.ts';
import { systemRandom } from '@karst/shared/random.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { call, problemIn } from './call.ts';
import { NodeIdentity } from './node-identity.ts';
import { RedisProcess } from './redis-process.ts';
import { logger, startStorage } from './test-farm.ts';

const template = {
  specificationVersion: 'jobtemplate-2023-09',
  name: 'Secret film',
  steps: [{ name: 'Render', script: { actions: { onRun: { command: 'true' } } } }],
};

let redisProcess: RedisProcess;
let storage: Awaited<ReturnType<typeof startStorage>>;
let orchestrator: RunningOrchestrator;
let owner: string;
let stranger: string;
let jobId: string;
/** The node that holds the lease, and one that doesn't. */
let holder: { id: string; token: string };
let otherNode: { id: string; token: string };
let leaseId: string;

beforeAll(async () => {
  redisProcess = await RedisProcess.start();
  storage = await startStorage();
  const { endpoint, bucket, accessKeyId, secretAccessKey } = storage.config;
  const config = parseConfig({
    KARST_PORT: '0',
    REDIS_URL: redisProcess.url,
    KARST_S3_ENDPOINT: endpoint,
    KARST_S3_BUCKET: bucket,
    KARST_S3_ACCESS_KEY: accessKeyId,
    KARST_S3_SECRET_KEY: secretAccessKey,
  });
  orchestrator = await startOrchestrator(config, {
    logger,
    clock: systemClock,
    random: systemRandom,
  });
  const redis = redisProcess.client();
  const apiKeys = createApiKeys(redis, systemClock, systemRandom);
  const keyOf = async (studio: string) =>
    (await apiKeys.create({ studio: studioIdSchema.parse(studio), role: 'submit', note: '' })).text;
  [owner, stranger] = [await keyOf('pixels'), await keyOf('frames')];
  const enrollment = createEnrollment(redis, systemClock, systemRandom);
  const enroll = async (name: string) => {
    const identity = await NodeIdentity.create();
    const { token } = await enrollment.createToken(60);
    const result = await enrollment.enroll(token, name, identity.publicKey.x);
    if (result.kind !== 'enrolled') throw new Error(result.kind);
    return { id: result.nodeId, token: await identity.token(result.nodeId) };
  };
  [holder, otherNode] = [await enroll('holder'), await enroll('other')];
  const submitted = await call(orchestrator.url, 'POST', '/v1/jobs', {
    key: owner,
    body: { template },
  });
  jobId = jobSchema.parse(submitted.body).id;
  const granted = await call(orchestrator.url, 'POST', `/v1/nodes/${holder.id}/sync`, {
    key: holder.token,
    body: {
      bootId: systemRandom.uuid(),
      bootedAtMs: 1,
      seq: 1,
      inventory: {
        hostname: 'h',
        os: 'linux',
        arch: 'x86_64',
        cpuModel: 'c',
        cpuCount: 1,
        memoryMib: 1,
        scratchMib: 0,
        gpus: [],
        agentVersion: '0',
      },
      slots: 1,
      wanted: 1,
      held: [],
      waitMs: 30_000,
    },
  });
  leaseId = syncResponseSchema.parse(granted.body).grants[0]?.leaseId ?? '';
});
afterAll(async () => {
  await orchestrator.stop();
  await storage.close();
  await redisProcess.stop();
});

const upload = { task: 0, kind: 'output', path: 'a.exr' };
const bodies: Partial<Record<string, object>> = {
  setJob: { priority: 1 },
  retryJob: {},
  addTasks: { step: 'Render', ranges: { Frame: '1' } },
  createLeaseUploads: { files: [{ ...upload, sha256: '0'.repeat(64), sizeBytes: 1 }] },
  completeLeaseUpload: { ...upload, uploadId: 'x', etags: ['x'] },
  appendLiveLog: { task: 0, text: 'x' },
};
/** Of what only some routes name. */
const names: Partial<Record<string, string>> = {
  getPreviewPicture: `${'0'.repeat(64)}.jpg`,
  getPreviewMovie: `movie-${'0'.repeat(32)}.mp4`,
};
const ask = (operation: string, route: Route, key: string, params: Record<string, unknown>) =>
  call(orchestrator.url, route.method.toUpperCase(), routeUrl(route, params, {}), {
    key,
    ...(bodies[operation] === undefined ? {} : { body: bodies[operation] }),
  });

const table = Object.entries<Route>(routes);
const jobRoutes = table.filter(
  ([, route]) => route.access.kind === 'studio' && Object.hasOwn(route.params.shape, 'jobId'),
);
const leaseRoutes = table.filter(([, route]) => Object.hasOwn(route.params.shape, 'leaseId'));

it('has a job and a lease to be kept from others', async () => {
  expect(leaseId).not.toBe('');
  const { status } = await call(orchestrator.url, 'GET', `/v1/jobs/${jobId}`, { key: owner });
  expect(status).toBe(200);
});

describe.each(jobRoutes)("another studio's job to %s", (operation, route) => {
  it('is answered exactly as a job that does not exist', async () => {
    const point = { step: 'Render', task: 0, name: names[operation] };
    const foreign = await ask(operation, route, stranger, { ...point, jobId });
    const nobodys = { ...point, jobId: `job-${'0'.repeat(20)}` };
    const unknown = await ask(operation, route, stranger, nobodys);
    const [one, other] = [problemIn(foreign), problemIn(unknown)];
    expect(one).toMatchObject({ status: 404, code: 'not_found' });
    expect(one.detail?.replace(jobId, '')).toBe(other.detail?.replace(nobodys.jobId, ''));
  });
});

it("lists nothing of another studio's", async () => {
  const { body } = await call(orchestrator.url, 'GET', '/v1/jobs', { key: stranger });
  expect(body).toEqual({ items: [] });
});

describe.each(leaseRoutes)("another node's lease to %s", (operation, route) => {
  it('is no lease of this node', async () => {
    const answer = await ask(operation, route, otherNode.token, { nodeId: otherNode.id, leaseId });
    expect(problemIn(answer)).toMatchObject({ status: 409, code: 'lease_lost' });
  });

  it("is not reachable under its holder's path either", async () => {
    const answer = await ask(operation, route, otherNode.token, { nodeId: holder.id, leaseId });
    expect(problemIn(answer)).toMatchObject({ status: 403, code: 'forbidden' });
  });
});

it('leaves the job as it was', async () => {
  const { body } = await call(orchestrator.url, 'GET', `/v1/jobs/${jobId}`, { key: owner });
  expect(jobSchema.parse(body)).toMatchObject({ state: 'running', policy: { priority: 50 } });
});
