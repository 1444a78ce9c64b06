import path from 'node:path';
import { studioIdSchema } from '@karst/shared/protocol/ids.ts';
import { routes } from '@karst/shared/protocol/routes.ts';
import { Redis } from 'ioredis';
import { expect, it } from 'vitest';
import { templateWith, writeBundle } from '../cli/support/bundle.ts';
import { runCli, testDir } from '../cli/support/run-cli.ts';
import { eventually } from '../support/eventually.ts';
import { sha256Of, uploadAsset } from './support/assets.ts';
import { farmForFile } from './support/farm-for-file.ts';
import { published } from './support/job-state.ts';
import { Marks, waitFor } from './support/marks.ts';
import { shellJob } from './support/shell-job.ts';
import { StudioView } from './support/studio-view.ts';

const farm = farmForFile();
const MB = 1024 ** 2;
const studio = studioIdSchema.parse('default');

const use = () => farm().api().call(routes.getStorageUse, {});
const setQuota = (quotaBytes: number) =>
  farm().api().call(routes.setStudioStorage, { params: { studio }, body: { quotaBytes } });

/** A task that puts out 3 MB. */
const writes = `head -c ${3 * MB} /dev/zero > "$3/$2.bin"`;

/** A bundle with these input files, submitted as people do. */
async function submitFiles(files: Readonly<Record<string, string>>) {
  const cwd = await testDir();
  const scene = { name: 'Scene', dataFlow: 'IN', objectType: 'DIRECTORY', default: 's' } as const;
  const placed = Object.entries(files).map(([name, text]) => [`s/${name}`, text]);
  await writeBundle(path.join(cwd, 'job'), templateWith([scene]), Object.fromEntries(placed));
  const env = {
    KARST_URL: farm().urls[0] ?? '',
    KARST_API_KEY_FILE: path.join(farm().dir, 'admin.key'),
    KARST_CACHE_DIR: path.join(cwd, 'cache'),
  };
  return await runCli(['submit', 'job'], { cwd, env });
}
const submitFile = (text: string) => submitFiles({ 'a.txt': text });

it('over its quota a studio submits nothing, what runs still puts out, and deleting a job makes room', async () => {
  await farm().startAgent({ slots: 2 });
  const marks = await Marks.make(farm());
  const steps = [{ range: '0-1', script: writes, writes: true }];
  const done = await farm().submit(shellJob(marks, steps));
  await farm().jobIn(done.id, ['succeeded']);
  await published(farm(), done.id);
  // Each file, and its copy in the view.
  await eventually('its outputs counted', async () => (await use()).outputs.objects === 4);
  expect((await use()).outputs.bytes).toBe(12 * MB);

  const held = [{ script: `${waitFor('gate')}${writes}`, writes: true }];
  const running = await farm().submit(shellJob(marks, held));
  await farm().jobIn(running.id, ['running']);
  await setQuota(13 * MB);
  const large = 'x'.repeat(2 * MB);
  const refused = await submitFile(large);
  expect(refused).toMatchObject({ code: 1, stdout: '' });
  expect(refused.stderr).toMatch(
    /The storage quota is used up: default uses 12\.0 MB of its quota of 13\.0 MB, and this needs 2\.0 MB more\. Delete jobs/,
  );
  const view = new StudioView(farm().storage);
  const asset = `studios/default/assets/${sha256Of(Buffer.from(large))}`;
  expect(await view.keys(asset)).toEqual([]);
  expect((await submitFile('small')).code).toBe(0);

  await marks.open('gate');
  await farm().jobIn(running.id, ['succeeded']);
  await eventually('its outputs counted', async () => (await use()).outputs.objects === 6);
  const template = shellJob(marks, [{ script: 'true' }]);
  const answer = await farm().fetch('POST', '/v1/jobs', { template });
  expect({ status: answer.status, body: await answer.json() }).toMatchObject({
    status: 403,
    body: {
      code: 'quota_exceeded',
      retryable: false,
      detail: expect.stringContaining('default uses 18.0 MB of its quota of 13.0 MB. Delete'),
    },
  });

  await farm()
    .api()
    .call(routes.deleteJob, { params: { jobId: done.id } });
  await eventually('its bytes off', async () => (await use()).usedBytes < 7 * MB);
  expect((await submitFile(large)).code).toBe(0);
  expect((await use()).inputs).toEqual({ bytes: 2 * MB + 5, objects: 2 });
});

it('counts what lies in storage, whoever put it there', async () => {
  await setQuota(100 * MB);
  await uploadAsset(farm(), Buffer.from('offered, never submitted'));
  const view = new StudioView(farm().storage);
  await view.put('studios/default/outputs/by-hand.bin', Buffer.alloc(2 * MB));
  const before = await use();
  const redis = new Redis(farm().redis.url);
  await redis.del('karst:storage:pause');
  redis.disconnect();
  const now = await eventually('another count', async () => {
    const found = await use();
    return found.countedAt === before.countedAt ? undefined : found;
  });
  expect(now.outputs.bytes).toBeGreaterThanOrEqual(2 * MB);
  expect(now.inputs.objects).toBe((await view.keys('studios/default/assets/')).length);
  const all = await view.keys('studios/default/');
  const outputs = all.filter((key) =>
    /^studios\/default\/(outputs|jobs\/[^/]+\/attempts)\//.test(key),
  );
  expect(now.outputs.objects).toBe(outputs.length);
  expect(now.other.objects).toBeGreaterThan(0);
  const metrics = await (await farm().fetch('GET', '/metrics')).text();
  expect(metrics).toContain(`karst_storage_bytes{kind="outputs"} ${now.outputs.bytes}\n`);
});

it('what several calls ask for together is judged before anything is sent', async () => {
  const { usedBytes } = await use();
  // The thousand of the first call would fit, and so would the rest.
  await setQuota(usedBytes + 1_200_000);
  const names = Array.from({ length: 1500 }, (_, i) => `${i}`);
  const files = names.map((name) => [name, name.padEnd(1000, '.')]);
  const view = new StudioView(farm().storage);
  const before = await view.keys('studios/default/assets/');
  const refused = await submitFiles(Object.fromEntries(files));
  expect(refused).toMatchObject({ code: 1, stdout: '' });
  expect(refused.stderr).toContain('The storage quota is used up: default uses');
  expect(refused.stderr).toContain('and this needs 1.4 MB more.');
  expect(await view.keys('studios/default/assets/')).toEqual(before);
});
