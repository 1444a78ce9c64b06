import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { type JobId, jobIdSchema } from '@karst/shared/protocol/ids.ts';
import { beforeEach, describe, expect, it } from 'vitest';
import { runCli, testDir } from '../cli/support/run-cli.ts';
import { eventually } from '../support/eventually.ts';
import { startObjectStorage } from '../support/storage.ts';
import {
  inTurn,
  type SeenStorageRequest,
  type StorageFault,
  StorageFaults,
} from '../support/storage-faults.ts';
import { farmForFile } from './support/farm-for-file.ts';
import { published, tasksOf } from './support/job-state.ts';
import { downloadedFrames, frameOf, writeStorageJob } from './support/storage-job.ts';
import { StudioView } from './support/studio-view.ts';

let faults: StorageFaults;
const farm = farmForFile({
  storage: async () => {
    const storage = await StorageFaults.before(await startObjectStorage());
    faults = storage.faults;
    return storage;
  },
});
beforeEach(() => faults.heal());

/** Whose requests these are: by what they name and how. */
const upload = ({ method, key }: SeenStorageRequest) =>
  method === 'PUT' && key.includes('/assets/');
const inputDownload = ({ method, key }: SeenStorageRequest) =>
  method === 'GET' && key.includes('/assets/');
const outputUpload = ({ method, key, query }: SeenStorageRequest) =>
  method === 'PUT' && /\/attempts\/.*\/out\//.test(key) && query.has('X-Amz-Signature');
const copyToView = ({ method, key }: SeenStorageRequest) =>
  method === 'PUT' && /\/outputs\/job-[^/]+\/Render\//.test(key);
const outputDownload = ({ method, key }: SeenStorageRequest) =>
  method === 'GET' && /\/attempts\/.*\/out\//.test(key);

/** A bundle of its own content, and the CLI beside it. */
async function start() {
  const cwd = await testDir();
  const salt = path.basename(cwd);
  await writeStorageJob(cwd, salt);
  const env = {
    KARST_URL: farm().urls[0] ?? '',
    KARST_API_KEY_FILE: path.join(farm().dir, 'admin.key'),
  };
  const karst = (...args: string[]) => runCli(args, { cwd, env });
  const submit = async () => {
    const submitted = await karst('submit', '.');
    expect(submitted.stderr).toContain('Submitted files as');
    return jobIdSchema.parse(submitted.stdout.trim());
  };
  return { cwd, salt, karst, submit, frames: [0, 1, 2].map((task) => frameOf(salt, task)) };
}

/** What Python, which we did not write, finds in a zip: names and texts. */
async function unzipped(file: string): Promise<[string, string][]> {
  const script =
    'import json, sys, zipfile\nz = zipfile.ZipFile(sys.argv[1])\n' +
    'print(json.dumps([[n, z.read(n).decode()] for n in z.namelist()]))';
  const { stdout } = await promisify(execFile)('python3', ['-c', script, file], {
    maxBuffer: 64 * 1024 * 1024,
  });
  return JSON.parse(stdout);
}

/** The job has succeeded, no task paid for it, and the studio's view is whole. */
async function expectWhole(jobId: JobId, frames: readonly string[]) {
  const ended = await farm().jobIn(jobId, ['succeeded', 'failed']);
  expect(ended.state).toBe('succeeded');
  await published(farm(), jobId);
  const failures = (await tasksOf(farm(), jobId)).map((task) => task.failures);
  expect(failures).toEqual([0, 0, 0]);
  expect(await new StudioView(farm().storage).outputs(jobId)).toEqual(
    Object.fromEntries(frames.map((text, task) => [`Render/out/frame-${task}.txt`, text])),
  );
}

const slowDown: StorageFault = { kind: 'refuse', status: 503, code: 'SlowDown' };
/** As a link is answered that has run out. */
const expired: StorageFault = { kind: 'refuse', status: 403, code: 'AccessDenied' };
const cutAnswer: StorageFault = { kind: 'cut answer', afterBytes: 100_000 };
const internal: StorageFault = { kind: 'refuse', status: 500, code: 'InternalError' };

describe('a store that fails in passing', () => {
  it('delays a job and nothing else: whatever fails is done again, and all that is published is whole', async () => {
    const { cwd, karst, submit, frames } = await start();
    const lost: StorageFault = { kind: 'lose answer' };
    const turns = [
      inTurn(upload, slowDown, expired, { kind: 'cut request', afterBytes: 100_000 }, lost),
      inTurn(
        inputDownload,
        ...[slowDown, expired, internal, cutAnswer],
        { kind: 'truncate', toBytes: 50_000 },
        { kind: 'throttle', pauseMs: 5 },
      ),
      inTurn(
        outputUpload,
        ...[slowDown, expired, lost],
        { kind: 'cut request', afterBytes: 100_000 },
        { kind: 'delay', ms: 300 },
      ),
      // One more than the SDK repeats by itself.
      inTurn(copyToView, slowDown, slowDown, slowDown, internal, lost),
      inTurn(outputDownload, cutAnswer, expired, slowDown, { kind: 'truncate', toBytes: 50_000 }),
    ];
    faults.rule = (request) => turns.map((turn) => turn(request)).find((fault) => fault);
    const jobId = await submit();
    await farm().startAgent();
    await expectWhole(jobId, frames);
    const { code, stderr } = await karst('download', jobId, '-d', 'results');
    expect(stderr).toContain('Downloaded 3 files');
    expect(code).toBe(0);
    expect(await downloadedFrames(path.join(cwd, 'results'))).toEqual(frames);
    expect(turns.map(({ left }) => left)).toEqual([[], [], [], [], []]);

    const turn = inTurn(outputDownload, cutAnswer, expired, slowDown, cutAnswer);
    faults.rule = turn;
    const zipped = await karst('download', jobId, '--zip', 'all.zip');
    expect(zipped.stderr).toMatch(/^Downloaded \S+ \SB to .*all\.zip\.$/m);
    expect(turn.left).toEqual([]);
    expect(await unzipped(path.join(cwd, 'all.zip'))).toEqual(
      frames.map((text, task) => [`Render/out/frame-${task}.txt`, text]),
    );

    // What was begun can't be gone on with.
    faults.rule = (request) =>
      outputDownload(request) ? (request.range === undefined ? cutAnswer : internal) : undefined;
    const broken = await karst('download', jobId, '--zip', 'broken.zip');
    expect(broken.stderr).toContain('karst: The zip broke off before its end.');
    expect(broken.code).toBe(1);
    expect((await readdir(cwd)).filter((name) => name.startsWith('broken'))).toEqual([]);
    faults.rule = (request) => (outputDownload(request) ? internal : undefined);
    const refused = await farm().fetch('GET', `/v1/jobs/${jobId}/outputs.zip?step=Render`);
    expect(refused.status).toBe(503);
    const absent = await farm().fetch('GET', `/v1/jobs/${jobId}/outputs.zip?step=Film`);
    expect(absent.status).toBe(404);
  });

  it('is not waited for by whoever asks whether the orchestrator is ready', async () => {
    faults.rule = () => ({ kind: 'silence' });
    const answer = await farm().fetch('GET', '/readyz');
    expect(answer.status).toBe(503);
    expect(await answer.json()).toMatchObject({ detail: expect.stringContaining('storage') });
  });
});

describe('a store that is full', () => {
  const full: StorageFault = { kind: 'refuse', status: 507, code: 'InsufficientStorage' };

  it('refuses a submission with that reason, and takes it once there is room', async () => {
    const { karst, submit } = await start();
    faults.rule = (request) => (upload(request) ? full : undefined);
    const refused = await karst('submit', '.');
    expect(refused.stderr).toMatch(
      /^karst: Storage refused \S*stone\.txt: InsufficientStorage: by the test \(507\)\.$/m,
    );
    expect(refused.code).toBe(1);
    faults.heal();
    await submit();
  });

  it('holds outputs back until there is room: nothing is lost, nothing half is published', async () => {
    const { submit, frames } = await start();
    const jobId = await submit();
    const refused = () => faults.seen.slice(seenBefore).filter(outputUpload).length;
    const seenBefore = faults.seen.length;
    faults.rule = (request) => (outputUpload(request) ? full : undefined);
    await farm().startAgent();
    await eventually('it was tried again', () => refused() >= 3);
    expect((await farm().readJob(jobId)).outputs).toEqual({ accepted: 0, published: 0 });
    expect(await new StudioView(farm().storage).outputs(jobId)).toEqual({});
    faults.heal();
    await expectWhole(jobId, frames);
  });

  it('holds the studio’s view back until there is room: outputs that were accepted stay accepted', async () => {
    const { submit, frames } = await start();
    const jobId = await submit();
    const seenBefore = faults.seen.length;
    const refused = () => faults.seen.slice(seenBefore).filter(copyToView).length;
    faults.rule = (request) => (copyToView(request) ? full : undefined);
    await farm().startAgent();
    await eventually('all is accepted, and copied in vain', async () => {
      const { outputs } = await farm().readJob(jobId);
      return outputs.accepted === 3 && refused() >= 9;
    });
    expect((await farm().readJob(jobId)).outputs).toEqual({ accepted: 3, published: 0 });
    expect(await new StudioView(farm().storage).outputs(jobId)).toEqual({});
    faults.heal();
    await expectWhole(jobId, frames);
  });

  it('is told by the API by name', async () => {
    const { karst } = await start();
    faults.rule = ({ method, key }) =>
      method === 'PUT' && key.endsWith('/job.json') ? full : undefined;
    const answer = await farm().fetch('POST', '/v1/jobs', {
      template: {
        specificationVersion: 'jobtemplate-2023-09',
        name: 'none',
        steps: [{ name: 'A', script: { actions: { onRun: { command: 'true' } } } }],
      },
    });
    expect(answer.status).toBe(503);
    expect(await answer.json()).toMatchObject({ detail: 'Object storage is full.' });
    faults.heal();
    expect((await karst('submit', '.')).code).toBe(0);
  });
});
