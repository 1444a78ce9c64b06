import { join } from 'node:path';
import type { OutputCheck } from '@karst/shared/protocol/output-checks.ts';
import { expect, it } from 'vitest';
import { mediaForFile } from '../outputs/support/media-files.ts';
import { pathWith } from './support/fake-tools.ts';
import { startAgent, startOrchestrator } from './support/farm.ts';
import { shell } from './support/steps.ts';
import type { LeaseOptions } from './support/test-lease.ts';

const media = mediaForFile();

/** A job with one output directory, `out`, in which the shell runs. */
const writing = (text: string, ...outputChecks: OutputCheck[]): LeaseOptions => ({
  step: shell(`cd '{{Param.Out}}' && ${text}`),
  parameters: { Out: { type: 'PATH', value: 'out', dataFlow: 'OUT', objectType: 'DIRECTORY' } },
  locations: { Out: 'out' },
  outputChecks,
});
const chunk = (values: string) => ({
  taskCount: 3,
  parameterSpace: {
    parameters: [
      {
        name: 'Frames',
        type: 'CHUNK[INT]' as const,
        range: values,
        chunks: { defaultTaskCount: 10, rangeConstraint: 'NONCONTIGUOUS' as const },
      },
    ],
    combination: 'Frames',
  },
});

it('a task fails when what its policy asks for is missing, small or not what its name says', async () => {
  const orchestrator = await startOrchestrator();
  await startAgent(orchestrator.url);
  const png = join(media(), 'a.png');
  const failure = async (...options: Parameters<typeof writing>) => {
    const [result] = await orchestrator.finished(orchestrator.lease(writing(...options)));
    return result?.outcome === 'failed' ? `${result.kind}: ${result.message}` : result?.outcome;
  };
  const frame = { files: '{{Param.Out}}/f_####.png' };
  expect(await failure(`cp ${png} f_0000.png`, frame)).toBe('succeeded');
  expect(await failure(`cp ${png} f_0001.png`, frame)).toBe(
    'outputs: wrote no out/f_0000.png (frame 0)',
  );
  expect(await failure(': > f_0000.png', frame)).toBe(
    'outputs: out/f_0000.png has 0 bytes, expected at least 1',
  );
  expect(await failure(`head -c 300 ${png} > f_0000.png`, frame)).toBe(
    'outputs: out/f_0000.png is truncated: ends within chunk IDAT',
  );
  expect(await failure('echo half > f_0000.png', { ...frame, decode: 'none' })).toBe('succeeded');
  expect(await failure('echo a > a.txt; echo b > b.txt', { files: 'out/*.txt', minFiles: 3 })).toBe(
    'outputs: wrote 2 of the 3 files out/*.txt expected at least',
  );
  expect(await failure('echo a > a.dat', { files: 'out/*.exr' })).toBe(
    'outputs: wrote no file out/*.exr',
  );
  expect(await failure('echo a > a.dat', { files: 'out/*.exr', minFiles: 0 })).toBe('succeeded');
  expect(
    await failure('echo a > a_0.dat', { files: 'out/a_{{Task.Param.Index}}.dat', minBytes: 9 }),
  ).toBe('outputs: out/a_0.dat has 2 bytes, expected at least 9');
});

it('every frame of a chunk needs its file', async () => {
  const orchestrator = await startOrchestrator();
  await startAgent(orchestrator.url);
  const chunked = (text: string) => {
    const options = writing(text, { files: 'out/f_###.dat' });
    return { ...options, step: { ...options.step, ...chunk('8-10') } as LeaseOptions['step'] };
  };
  const all = orchestrator.lease(chunked('for n in 008 009 010; do echo $n > f_$n.dat; done'));
  expect(await orchestrator.finished(all)).toMatchObject([{ outcome: 'succeeded' }]);
  const one = orchestrator.lease(chunked('echo 9 > f_009.dat'));
  expect(await orchestrator.finished(one)).toMatchObject([
    {
      kind: 'outputs',
      message: 'wrote no file out/f_###.dat of frames 8,10: 2 of 3 frames are missing',
    },
  ]);
});

it('a file of an earlier task counts for nobody else', async () => {
  const orchestrator = await startOrchestrator();
  await startAgent(orchestrator.url);
  const lease = orchestrator.lease({
    ...writing('test -e shared || echo once > shared; echo {{Task.Param.Index}} > own', {
      files: 'out/shared',
    }),
    last: 1,
  });
  expect(await orchestrator.finished(lease)).toMatchObject([
    { outcome: 'succeeded', first: 0 },
    {
      first: 1,
      kind: 'outputs',
      message: 'out/shared was there before, and this attempt did not write it',
    },
  ]);
});

it('files at no output location are collected where the policy says so', async () => {
  const orchestrator = await startOrchestrator();
  await startAgent(orchestrator.url);
  const options = {
    step: shell('mkdir -p files/cache/a && cd files/cache && echo 1 > a/b.vdb && echo 2 > a/b.tmp'),
    outputChecks: [{ files: 'cache/**/*.vdb', collect: true }],
  };
  const lease = orchestrator.lease(options);
  expect(await orchestrator.finished(lease)).toMatchObject([
    { outcome: 'succeeded', outputs: [{ path: 'cache/a/b.vdb', sizeBytes: 2 }] },
  ]);
  const out = orchestrator.lease({
    ...options,
    step: shell('rm -r files/cache; mkdir -p files; ln -s /etc files/cache'),
  });
  expect(await orchestrator.finished(out)).toMatchObject([
    { kind: 'outputs', message: "cache leads out of the job's file tree" },
  ]);
});

it('decoding in full finds what headers do not tell; without ffmpeg it is the node’s fault', async () => {
  const orchestrator = await startOrchestrator();
  const film = join(media(), 'a.mp4');
  const garble = `cp ${film} a.mp4 && head -c 900 /dev/zero | dd of=a.mp4 bs=1 seek=1500 conv=notrunc 2>&1`;
  const full = { files: 'out/a.mp4', decode: 'full' as const };
  await startAgent(orchestrator.url);
  const good = orchestrator.lease(writing(`cp ${film} a.mp4`, full));
  expect(await orchestrator.finished(good)).toMatchObject([{ outcome: 'succeeded' }]);
  const bad = orchestrator.lease(writing(garble, full));
  expect(await orchestrator.finished(bad)).toMatchObject([
    { kind: 'outputs', message: expect.stringMatching(/^out\/a\.mp4 can't be decoded: /) },
  ]);

  const bare = await startOrchestrator();
  const tools = await pathWith({ film: `exec /bin/cp ${film} "$1"` });
  await startAgent(bare.url, { PATH: tools.split(':')[0] ?? '' });
  const without = bare.lease({ ...writing('', full), step: shell("film '{{Param.Out}}/a.mp4'") });
  expect(await bare.finished(without)).toMatchObject([
    { kind: 'node', message: 'outputs are to be decoded in full, and this node has no ffmpeg' },
  ]);
});
