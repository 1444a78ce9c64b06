import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { jobIdSchema } from '@karst/shared/protocol/ids.ts';
import { routes } from '@karst/shared/protocol/routes.ts';
import { expect, it } from 'vitest';
import { runCli, testDir } from '../cli/support/run-cli.ts';
import { eventually } from '../support/eventually.ts';
import { startSeaweedFs } from '../support/seaweedfs.ts';
import { StorageFaults } from '../support/storage-faults.ts';
import { farmForFile } from './support/farm-for-file.ts';
import { published } from './support/job-state.ts';
import { StudioView } from './support/studio-view.ts';

let faults: StorageFaults;
const farm = farmForFile({
  storage: async () => {
    const storage = await StorageFaults.before(await startSeaweedFs());
    faults = storage.faults;
    return storage;
  },
});

const LARGE_BYTES = 65 * 1024 * 1024;
const parameter = (name: string, dataFlow: 'IN' | 'OUT') => ({
  name,
  type: 'PATH',
  objectType: dataFlow === 'IN' ? 'FILE' : 'DIRECTORY',
  dataFlow,
  default: name.toLowerCase(),
});
/** One small file a task with what came in, and one that is large enough to travel in parts. */
const script = [
  'cat "$1" > "$2/frame $3+é.txt"; echo "$3" >> "$2/frame $3+é.txt"',
  `if [ "$3" = 1 ]; then head -c ${LARGE_BYTES} /dev/zero > "$2/large.bin"; fi`,
].join('; ');
const args = ['-ec', script, 'task', '{{Param.Scene}}', '{{Param.Out}}', '{{Task.Param.N}}'];
const template = {
  specificationVersion: 'jobtemplate-2023-09',
  name: 'on SeaweedFS',
  parameterDefinitions: [parameter('Scene', 'IN'), parameter('Out', 'OUT')],
  steps: [
    {
      name: 'Render',
      parameterSpace: { taskParameterDefinitions: [{ name: 'N', type: 'INT', range: '1-3' }] },
      script: { actions: { onRun: { command: '/bin/sh', args } } },
    },
  ],
};

it('inputs, outputs large and small, the studio’s view, a download that follows, with SeaweedFS as the store', async () => {
  const cwd = await testDir();
  await writeFile(path.join(cwd, 'template.yaml'), JSON.stringify(template));
  await writeFile(path.join(cwd, 'scene'), 'scene\n');
  await farm().startAgent({ slots: 2 });
  const env = {
    KARST_URL: farm().urls[0] ?? '',
    KARST_API_KEY_FILE: path.join(farm().dir, 'admin.key'),
  };
  const karst = (...words: string[]) => runCli(words, { cwd, env });

  const submitted = await karst('submit', '.');
  const followed = await karst('download', submitted.stdout.trim(), '--follow', '-d', 'results');
  expect(followed.stderr).toContain('Downloaded 4 files');
  expect(followed.code).toBe(0);
  const text = (n: number) => readFile(path.join(cwd, `results/out/frame ${n}+é.txt`), 'utf8');
  expect(await Promise.all([1, 2, 3].map(text))).toEqual([1, 2, 3].map((n) => `scene\n${n}\n`));
  const large = createHash('sha256').update(
    await readFile(path.join(cwd, 'results/out/large.bin')),
  );
  expect(large.digest('hex')).toBe(
    createHash('sha256').update(Buffer.alloc(LARGE_BYTES)).digest('hex'),
  );

  const params = { jobId: jobIdSchema.parse(submitted.stdout.trim()) };
  const listed = await farm()
    .api()
    .call(routes.listOutputs, { params, query: { step: 'Render', firstTask: 1, lastTask: 1 } });
  expect(listed.items.map((item) => item.path)).toEqual(['out/frame 2+é.txt']);
  const stepless = farm()
    .api()
    .call(routes.listOutputs, { params, query: { firstTask: 1 } });
  await expect(stepless).rejects.toMatchObject({
    problem: { errors: [{ path: ['query', 'step'] }] },
  });

  const job = await published(farm(), params.jobId);
  const view = new StudioView(farm().storage);
  const keys = await view.keys(`studios/default/outputs/${job.id}/`);
  expect(keys.map((key) => key.split('/').slice(4).join('/')).sort()).toEqual([
    ...[1, 2, 3].map((n) => `Render/out/frame ${n}+é.txt`),
    'Render/out/large.bin',
  ]);

  // A zip is made no faster than the client takes it, and ends whole when it goes on.
  const passedBefore = faults.passedBytes;
  const { body } = await farm().fetch('GET', `/v1/jobs/${job.id}/outputs.zip`);
  const reader = body?.getReader();
  let readBytes = (await reader?.read())?.value?.length ?? 0;
  let passed = -1;
  let looksAlike = 0;
  await eventually('storage is read no further', () => {
    const before = passed;
    passed = faults.passedBytes - passedBefore;
    looksAlike = passed === before ? looksAlike + 1 : 0;
    return looksAlike === 20;
  });
  expect(passed).toBeLessThan(LARGE_BYTES / 2);
  for (let next = await reader?.read(); next?.value; next = await reader?.read()) {
    readBytes += next.value.length;
  }
  expect(readBytes).toBeGreaterThan(LARGE_BYTES);
});
