import { readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { JobId } from '@karst/shared/protocol/ids.ts';
import { previewRoutes } from '@karst/shared/protocol/preview-routes.ts';
import { routes } from '@karst/shared/protocol/routes.ts';
import { Redis } from 'ioredis';
import { beforeAll, expect, it } from 'vitest';
import { ensureSystemPackages } from '../../scripts/system-packages.ts';
import { runCli } from '../cli/support/run-cli.ts';
import { eventually } from '../support/eventually.ts';
import { farmForFile } from './support/farm-for-file.ts';
import { cutOff, makeFrames, makePlain, plantNan, probed } from './support/frames.ts';
import { published } from './support/job-state.ts';

const farm = farmForFile();
let frames = '';

beforeAll(async () => {
  await ensureSystemPackages(['ffmpeg']);
  frames = farm().dir;
  await makeFrames(frames, 8);
  const file = (name: string) => path.join(frames, name);
  await makePlain(file('f_0002.exr'), 'black');
  await plantNan(file('f_0003.exr'), file('f_0003.exr'));
  await cutOff(file('f_0004.exr'), file('f_0004.exr'));
}, 600_000);

/** Frames 1 to 8, copied from the folder; the fifth task writes but a note. */
const template = () =>
  JSON.stringify({
    specificationVersion: 'jobtemplate-2023-09',
    name: 'pictures',
    parameterDefinitions: [
      { name: 'Out', type: 'PATH', objectType: 'DIRECTORY', dataFlow: 'OUT', default: 'frames' },
      { name: 'From', type: 'STRING', default: frames },
    ],
    steps: [
      {
        name: 'Render',
        parameterSpace: {
          taskParameterDefinitions: [{ name: 'Frame', type: 'INT', range: '1-8' }],
        },
        script: {
          actions: {
            onRun: {
              command: '/bin/sh',
              args: [
                '-ec',
                'if [ $1 = 5 ]; then echo none > $2/note.txt; else cp $3/f_000$1.exr $2/; fi',
                'task',
                '{{Task.Param.Frame}}',
                '{{Param.Out}}',
                '{{Param.From}}',
              ],
            },
          },
        },
      },
    ],
  });

const list = (jobId: JobId) =>
  farm()
    .api()
    .call(previewRoutes.getStepPreviews, { params: { jobId, step: 'Render' } });
const complete = (jobId: JobId) =>
  eventually(
    'whole previews',
    async () => {
      const previews = await list(jobId);
      return previews.isComplete ? previews : undefined;
    },
    60_000,
  );
const suspicious = (jobId: JobId) =>
  farm().api().call(previewRoutes.listSuspiciousFrames, { params: { jobId } });

it('flags black, NaN, cut off and missing frames, and shows the rest; a frame made anew is looked at anew', async () => {
  await farm().startPreviews();
  await farm().startAgent({ slots: 2 });
  const { id } = await farm().submit(template());
  expect((await farm().jobIn(id, ['failed', 'succeeded'])).state).toBe('succeeded');
  const previews = await complete(id);

  const { total, items } = await suspicious(id);
  expect(total).toBe(4);
  expect((await farm().readJob(id)).suspiciousFrames).toBe(4);
  expect(items).toEqual([
    {
      step: 'Render',
      task: 1,
      path: 'frames/f_0002.exr',
      frame: 2,
      reason: 'black',
      detail: 'all of it is black',
    },
    {
      step: 'Render',
      task: 2,
      path: 'frames/f_0003.exr',
      frame: 3,
      reason: 'nan',
      detail: '20 values are NaN or infinite',
    },
    {
      step: 'Render',
      task: 3,
      path: 'frames/f_0004.exr',
      frame: 4,
      reason: 'undecodable',
      detail: 'is cut off: parts of its pixels lie behind its end',
    },
    {
      step: 'Render',
      task: 4,
      path: 'frames/f_0005.exr',
      frame: 5,
      reason: 'missing',
      detail: 'frames/f_####.exr lacks it',
    },
  ]);

  // The film has every frame that could be decoded.
  expect(previews.movies).toMatchObject([
    { pattern: 'frames/f_####.exr', first: 1, last: 8, frames: 6, fps: 24, width: 160, height: 90 },
  ]);
  expect(previews.contactSheet).toMatchObject({ pictures: 8 });
  expect(previews.pictures.map(({ task, width }) => [task, width])).toEqual(
    [0, 1, 2, 3, 5, 6, 7].map((task) => [task, task === 3 ? undefined : 160]),
  );

  // By the CLI.
  const connection = [
    '--url',
    farm().urls[0] ?? '',
    '--key-file',
    path.join(farm().dir, 'admin.key'),
  ];
  const told = await runCli(['get', 'job', id, ...connection], { cwd: farm().dir });
  expect(told.stdout).toContain('Suspicious: 4 frames\n');
  expect(told.stdout).toContain('nan: frames/f_0003.exr (Render task 2; 20 values are NaN');
  const dir = path.join(farm().dir, 'previews');
  const fetching = ['previews', id, '-d', dir, '--thumbnails', ...connection];
  expect((await runCli(fetching, { cwd: farm().dir })).code).toBe(0);
  expect((await readdir(dir)).sort()).toEqual([
    'contact-sheet.jpg',
    'frames_f_film.mp4',
    'thumbnails',
  ]);
  expect(await probed(path.join(dir, 'frames_f_film.mp4'))).toMatchObject({
    codec_name: 'h264',
    pix_fmt: 'yuv420p',
    nb_read_frames: '6',
  });
  const thumbnail = path.join(dir, 'thumbnails/frames/f_0001.exr.jpg');
  expect(await probed(thumbnail)).toMatchObject({
    codec_name: 'mjpeg',
    width: '160',
    height: '90',
  });

  // Kept for good, asked for again at no cost, in parts.
  const movie = previews.movies[0]?.href ?? '';
  const answer = await farm().fetch('GET', movie);
  expect(answer.headers.get('cache-control')).toBe('private, max-age=31536000, immutable');
  const film = Buffer.from(await answer.arrayBuffer());
  expect(film).toEqual(await readFile(path.join(dir, 'frames_f_film.mp4')));
  const key = (await readFile(path.join(farm().dir, 'admin.key'), 'utf8')).trim();
  const asked = (headers: Record<string, string>) =>
    fetch(`${farm().urls[0]}${movie}`, { headers: { authorization: `Bearer ${key}`, ...headers } });
  expect((await asked({ 'if-none-match': answer.headers.get('etag') ?? '' })).status).toBe(304);
  const part = await asked({ range: 'bytes=4-7' });
  expect([part.status, part.headers.get('content-range')]).toEqual([
    206,
    `bytes 4-7/${film.length}`,
  ]);
  expect(await part.text()).toBe('ftyp');
  expect((await asked({ range: `bytes=${film.length}-` })).status).toBe(416);
  // Another studio's key finds none of it.
  const body = { studio: 'others', role: 'admin' as const };
  const other = await farm().api().call(routes.createKey, { body });
  for (const href of [
    movie,
    previews.contactSheet?.href ?? '',
    `/v1/jobs/${id}/suspicious-frames`,
  ]) {
    expect((await farm().fetch('GET', href, undefined, other.key)).status).toBe(404);
  }

  // The black frame is rendered again, right this time.
  await writeFile(path.join(frames, 'f_0002.exr'), await readFile(path.join(frames, 'f_0001.exr')));
  await farm()
    .api()
    .call(routes.requeueTask, { params: { jobId: id, step: 'Render', task: 1 } });
  expect((await suspicious(id)).items.map(({ task }) => task)).toEqual([2, 3]);
  expect((await asked({})).status).toBe(404);
  await farm().jobIn(id, ['failed', 'succeeded']);
  const again = await complete(id);
  expect(again.movies[0]?.href).not.toBe(movie);
  expect((await suspicious(id)).items.map(({ task }) => task)).toEqual([2, 3, 4]);
  expect((await farm().readJob(id)).suspiciousFrames).toBe(3);
  const metrics = await (await farm().fetch('GET', '/metrics')).text();
  expect(metrics).toContain('karst_suspicious_frames_total{reason="black"} 1\n');
}, 90_000);

it('what no preview worker was there for, and what was lost on the way, is made when somebody asks', async () => {
  await Promise.all(farm().previews.map((child) => child.kill()));
  await farm().startAgent({ slots: 2 });
  const { id } = await farm().submit(template());
  expect((await farm().jobIn(id, ['failed', 'succeeded'])).state).toBe('succeeded');
  await published(farm(), id);
  const before = await list(id);
  expect(before).toMatchObject({ isComplete: false, movies: [] });
  expect(before.contactSheet).toBeUndefined();
  const redis = new Redis(farm().redis.url);
  const lost = await redis.keys('karst:{previews}:queue:*');
  expect(lost.length).toBeGreaterThan(0);
  await redis.del(...lost);
  redis.disconnect();
  await farm().startPreviews();
  expect((await complete(id)).contactSheet).toMatchObject({ pictures: 8 });
  expect((await suspicious(id)).total).toBe(3);
}, 90_000);

it('makes none of a step whose policy wants none, and films at the rate it names', async () => {
  await farm().startPreviews();
  await farm().startAgent({ slots: 2 });
  const submit = (policy: object) =>
    farm().submit(template(), { policy: { steps: { Render: { previews: policy } } } });
  const without = await submit({ make: false });
  const slow = await submit({ framesPerSecond: 12.5 });
  await farm().jobIn(without.id, ['failed', 'succeeded']);
  await farm().jobIn(slow.id, ['failed', 'succeeded']);
  await published(farm(), without.id);
  const [movie] = (await complete(slow.id)).movies;
  expect(movie).toMatchObject({ fps: 12.5 });
  const film = path.join(farm().dir, 'slow.mp4');
  const answer = await farm().fetch('GET', movie?.href ?? '');
  await writeFile(film, Buffer.from(await answer.arrayBuffer()));
  expect(await probed(film)).toMatchObject({
    r_frame_rate: '25/2',
    nb_read_frames: String(movie?.frames),
  });

  const none = await list(without.id);
  expect(none).toMatchObject({ isComplete: true, movies: [] });
  expect(none.contactSheet).toBeUndefined();
  expect(none.pictures.filter(({ thumbnail }) => thumbnail !== undefined)).toEqual([]);
  expect((await farm().readJob(without.id)).suspiciousFrames).toBeUndefined();
}, 90_000);
