import { createHash } from 'node:crypto';
import { farmEventSchema } from '@karst/shared/protocol/event.ts';
import { type JobId, jobIdSchema, studioIdSchema } from '@karst/shared/protocol/ids.ts';
import { problemSchema } from '@karst/shared/protocol/problem.ts';
import { type Route, routeUrl } from '@karst/shared/protocol/route.ts';
import { routes } from '@karst/shared/protocol/routes.ts';
import { beforeAll, describe, expect, it } from 'vitest';
import { openEvents } from '../http/event-reader.ts';
import { uploadAsset } from './support/assets.ts';
import { farmForFile } from './support/farm-for-file.ts';
import { published } from './support/job-state.ts';
import { Marks } from './support/marks.ts';
import { shellJob } from './support/shell-job.ts';
import { StudioView } from './support/studio-view.ts';

const farm = farmForFile({ livenessMs: 5000 });
const nobodysJob = jobIdSchema.parse('job-00000000000000000000');
let theirs: JobId;
let rivalKey: string;

beforeAll(async () => {
  const marks = await Marks.make(farm());
  const owner = { studio: studioIdSchema.parse('rivals'), role: 'admin' } as const;
  rivalKey = (await farm().api().call(routes.createKey, { body: owner })).key;
  await farm().startAgent();
  const script = 'echo secret plot; echo "$2" > "$3/frame-$2.txt"';
  const job = await farm().submit(shellJob(marks, [{ script, writes: true }], 'secret film'));
  await farm().jobIn(job.id, ['succeeded']);
  await published(farm(), job.id);
  theirs = job.id;
});

const jobRoutes = Object.entries<Route>(routes).filter(
  ([, { path, access }]) => access.kind === 'studio' && path.includes('{jobId}'),
);
/** A body each route takes, so that only the job's owner is left to be judged. */
const bodies: Record<string, unknown> = {
  setJob: { priority: 1 },
  retryJob: {},
  addTasks: { step: 'Render', ranges: { Frame: '1' } },
};

/** Names of files a route takes, for the same reason. */
const names: Record<string, string> = {
  getPreviewPicture: `${'0'.repeat(64)}.jpg`,
  getPreviewMovie: `movie-${'0'.repeat(32)}.mp4`,
};

describe.each(jobRoutes)('%s', (operation, route) => {
  const ask = async (jobId: JobId) => {
    const url = routeUrl(
      route,
      { jobId, step: 'Render', task: 0, name: names[operation] ?? '' },
      {},
    );
    const answer = await farm().fetch(
      route.method.toUpperCase(),
      url,
      route.body === null ? undefined : bodies[operation],
      rivalKey,
    );
    const problem = problemSchema.parse(await answer.json());
    return JSON.stringify({ ...problem, instance: '' }).replaceAll(jobId, 'JOB');
  };

  it("answers another studio's job as one that does not exist", async () => {
    const answer = await ask(theirs);
    expect(JSON.parse(answer)).toMatchObject({ status: 404, code: 'not_found' });
    expect(answer).toBe(await ask(nobodysJob));
  });
});

it('covers every way to a job', () => {
  expect(jobRoutes.map(([operation]) => operation)).toEqual(
    expect.arrayContaining(['getJob', 'cancelJob', 'getTaskLog', 'listOutputs', 'requeueTask']),
  );
});

it("leaves another studio's job as it is, whatever was tried", async () => {
  expect(await farm().readJob(theirs)).toMatchObject({ state: 'succeeded', name: 'secret film' });
});

it("lists, publishes and tells a studio's own only", async () => {
  const rival = farm().api(0, rivalKey);
  expect((await rival.call(routes.listJobs, {})).items).toEqual([]);
  const url = farm().urls[0] ?? '';
  await using events = await openEvents(url, rivalKey);
  await using prying = await openEvents(url, rivalKey, { jobId: theirs });
  const pried: unknown[] = [];
  const pry = async () => {
    for (;;) pried.push(await prying.next());
  };
  // It ends with the stream, at the end of this test.
  pry().catch(() => undefined);

  const marks = await Marks.make(farm());
  await farm().startAgent();
  const again = await farm().submit(shellJob(marks, [{ script: 'echo more secrets' }]));
  await farm().jobIn(again.id, ['succeeded']);
  const own = await rival.call(routes.submitJob, {
    body: { template: shellJob(marks, [{ script: 'echo "$2" > "$3/own.txt"', writes: true }]) },
  });
  const seen = new Set<string>();
  for (;;) {
    const event = farmEventSchema.parse((await events.next()).data);
    if (event.type === 'reset') continue;
    seen.add(event.jobId);
    if (event.type === 'job' && event.state === 'succeeded') break;
  }
  expect([...seen]).toEqual([own.id]);
  expect((await rival.call(routes.listJobs, {})).items.map(({ id }) => id)).toEqual([own.id]);
  const ours = (await farm().api().call(routes.listJobs, {})).items.map(({ id }) => id);
  expect(ours).not.toContain(own.id);

  expect(pried).toEqual([]);
  const keys = await new StudioView(farm().storage).keys('studios/rivals/');
  expect(keys.length).toBeGreaterThan(0);
  expect(keys.filter((key) => key.includes(theirs))).toEqual([]);
});

it("neither tells nor lends another studio's input files", async () => {
  const content = Buffer.from('the script of the secret film');
  const sha256 = createHash('sha256').update(content).digest('hex');
  await uploadAsset(farm(), content);
  const files = [{ sha256, sizeBytes: content.length }];
  const asked = { method: 'POST', path: '/v1/assets/uploads', body: { files } } as const;
  const ours = await farm().api().call(routes.createAssetUploads, { body: asked.body });
  expect(ours.uploads[0]?.upload).toBeNull();
  const rival = farm().api(0, rivalKey);
  const theirAnswer = await rival.call(routes.createAssetUploads, { body: asked.body });
  expect(theirAnswer.uploads[0]?.upload).not.toBeNull();
  const submission = {
    template: JSON.stringify({
      specificationVersion: 'jobtemplate-2023-09',
      name: 'thief',
      parameterDefinitions: [
        { name: 'In', type: 'PATH', objectType: 'FILE', dataFlow: 'IN', default: 'script.txt' },
      ],
      steps: [
        {
          name: 'Read',
          script: { actions: { onRun: { command: 'cat', args: ['{{Param.In}}'] } } },
        },
      ],
    }),
    inputs: [{ path: 'script.txt', sha256, sizeBytes: content.length }],
  };
  const refused = await farm().fetch('POST', '/v1/jobs', submission, rivalKey);
  expect(problemSchema.parse(await refused.json())).toMatchObject({
    status: 422,
    code: 'missing_inputs',
    errors: [{ path: ['inputs', 0] }],
  });
});

it('keeps idempotency keys apart', async () => {
  const marks = await Marks.make(farm());
  const body = { template: shellJob(marks, [{ script: 'true' }]) };
  const headers = { 'idempotency-key': 'shot-1' };
  const ours = await farm().api().call(routes.submitJob, { body }, { headers });
  const rival = await farm().api(0, rivalKey).call(routes.submitJob, { body }, { headers });
  expect(rival.id).not.toBe(ours.id);
});
