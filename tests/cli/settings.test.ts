import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { jobIdSchema } from '@karst/shared/protocol/ids.ts';
import { routes } from '@karst/shared/protocol/routes.ts';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { uploadAsset } from '../scenarios/support/assets.ts';
import { Farm } from '../support/farm.ts';
import { templateWith, writeBundle } from './support/bundle.ts';
import { runCli, testDir } from './support/run-cli.ts';

let farm: Farm;
beforeAll(async () => {
  farm = await Farm.start();
});
afterAll(() => farm.stop());

/** The CLI with the admin key of a real farm, or another. */
async function start(key?: string) {
  const cwd = await testDir();
  const url = farm.urls[0] ?? '';
  const file = path.join(farm.dir, 'admin.key');
  const env: Record<string, string> = {
    KARST_URL: url,
    ...(key === undefined ? { KARST_API_KEY_FILE: file } : { KARST_API_KEY: key }),
  };
  const karst = (...args: string[]) => runCli(args, { cwd, env });
  const json = async (...args: string[]) => JSON.parse((await karst(...args, '-o', 'json')).stdout);
  return { cwd, karst, json };
}

it('sets shares: what is not named stays, none takes a ceiling or budget back', async () => {
  const { karst, json } = await start();
  await karst('share', 'set', 'acme', '--weight', '2.5', '--max-gpus', '8', '--guaranteed', '3');
  await karst('share', 'set', 'acme', '--max-gpus', 'none', '--max-tasks', '40');
  const project = await karst('share', 'set', 'acme/feature film', '--max-nodes', '4');
  expect(project.stderr).toBe('The share of acme/feature film is set.\n');
  const [acme] = await json('share', 'get', 'acme');
  expect(acme).toMatchObject({ weight: 2.5, guaranteedTasks: 3, maxTasks: 40, runningTasks: 0 });
  expect(acme).not.toHaveProperty('maxGpus');
  const table = (await karst('share', 'get')).stdout.split('\n');
  expect(table[0]).toMatch(/^SHARE +WEIGHT +GUARANTEED +TASKS +GPUS +NODES +CORE-HOURS +SPENT$/);
  expect(table[2]).toMatch(/^acme\/feature film +1 +0 +0\/- +0\/- +0\/4 +0\.0 +0\.0\/-$/);
  await karst('share', 'set', 'acme/feature film', '--budget', '1200.5');
  const [film] = await json('share', 'get', 'acme/feature film');
  expect(film).toMatchObject({ maxNodes: 4, budgetCoreHours: 1200.5, spentCoreHours: 0 });
  const row = (await karst('share', 'get', 'acme/feature film')).stdout.split('\n')[1];
  expect(row).toMatch(/0\/4 +0\.0 +0\.0\/1200\.5$/);
  await karst('share', 'set', 'acme/feature film', '--budget', 'none');
  expect((await json('share', 'get', 'acme/feature film'))[0]).not.toHaveProperty(
    'budgetCoreHours',
  );
  const odd = await karst('share', 'set', 'acme', '--budget', '-1');
  expect(odd.stderr).toContain('Expected core-hours, a number from 0, or "none".');
  expect((await karst('share', 'delete', 'acme')).code).toBe(0);
  const again = await karst('share', 'delete', 'acme');
  expect(again.stderr).toContain('No share is set for acme.');
  expect(again.code).toBe(1);
  expect((await karst('share', 'set', 'acme')).code).toBe(3);
});

it('shows a studio its own share, and no other’s', async () => {
  const body = { studio: 'acme', role: 'submit' } as const;
  const { key } = await farm.api().call(routes.createKey, { body });
  const admin = await start();
  await admin.karst('share', 'set', 'acme/short', '--weight', '3');
  await admin.karst('share', 'set', 'rivals', '--weight', '9');
  const { karst, json } = await start(key);
  const own = await json('share', 'get', '--own');
  expect(own.map(({ studio }: { studio: string }) => studio)).not.toContain('rivals');
  expect(own).toContainEqual(expect.objectContaining({ project: 'short', weight: 3 }));
  expect((await karst('share', 'get')).code).toBe(4);
  expect((await karst('share', 'set', 'acme', '--weight', '99')).code).toBe(4);
});

it('sets limits, and tells their use elsewhere alone', async () => {
  const { karst, json } = await start();
  const early = await karst('limit', 'set', 'houdini', '--reserve', '3');
  expect(early.stderr).toContain('There is no limit houdini yet: say --max.');
  expect((await karst('limit', 'set', 'houdini', '--used-elsewhere', '3')).code).toBe(1);
  const set = await karst('limit', 'set', 'houdini', '--max', '10', '--per', 'host');
  expect(set.stderr).toBe('The farm may use 10 of 10 houdini.\n');
  await karst('limit', 'set', 'houdini', '--reserve', '4');
  const told = await karst('limit', 'set', 'houdini', '--used-elsewhere', '6');
  expect(told.stderr).toBe('The farm may use 4 of 10 houdini.\n');
  expect(await json('limit', 'get', 'houdini')).toEqual([
    { name: 'houdini', max: 10, per: 'host', reserve: 4, usedElsewhere: 6, forFarm: 4, inUse: 0 },
  ]);
  expect((await karst('limit', 'delete', 'houdini')).code).toBe(0);
  expect(await json('limit', 'get')).toEqual([]);
});

it('sets pools', async () => {
  const { karst, json } = await start();
  const nights = 'mon-fri 20:00-08:00, sat-sun 00:00-00:00 Europe/Berlin';
  const args = ['--studios', 'acme,default', '--exclusive', '--schedule', nights];
  expect((await karst('pool', 'set', 'desks', ...args)).stderr).toBe(
    'Pool desks is set; it has 0 nodes.\n',
  );
  await karst('pool', 'set', 'desks', '--classes', 'background,normal', '--studios', 'all');
  const [desks] = await json('pool', 'get', 'desks');
  expect(desks).toMatchObject({ exclusive: true, classes: ['background', 'normal'], isSet: true });
  expect(desks).not.toHaveProperty('studios');
  expect((await karst('pool', 'get', 'desks')).stdout).toContain(nights);
  const wrong = await karst('pool', 'set', 'desks', '--classes', 'whenever');
  expect(wrong.stderr).toContain('--classes:');
  expect(wrong.code).toBe(3);
  expect((await karst('pool', 'delete', 'desks')).code).toBe(0);
});

it('submits with a class, a pool, limits, ceilings and places, and changes them', async () => {
  const { cwd, karst, json } = await start();
  await karst('limit', 'set', 'nuke', '--max', '4');
  await karst('pool', 'set', 'gpu', '--exclusive');
  await writeBundle(path.join(cwd, 'job'), templateWith());
  const wish = ['--class', 'urgent', '--pool', 'gpu', '--limit', 'nuke', '--max-tasks', '5'];
  const place = ['--region', 'eu', '--region', 'us', '--tag', 'rtx', '--software', 'blender=>=4.2'];
  wish.push('--rerun-slow-tasks', 'on');
  const submitted = await karst('submit', 'job', '--max-nodes', '2', ...wish, ...place);
  const jobId = jobIdSchema.parse(submitted.stdout.trim());
  const { policy } = await json('get', 'job', jobId);
  expect(policy).toMatchObject({
    priorityClass: 'urgent',
    limits: ['nuke'],
    maxTasks: 5,
    maxNodes: 2,
    rerunSlowTasks: true,
    placement: {
      pool: 'gpu',
      regions: ['eu', 'us'],
      tags: ['rtx'],
      software: { blender: '>=4.2' },
    },
  });
  const change = [
    '--priority',
    '80',
    '--class',
    'normal',
    '--max-tasks',
    'none',
    '--limit',
    'none',
  ];
  const set = await karst('set', jobId, ...change, '--pool', 'none', '--site', 'attic');
  expect(set.stderr).toBe(`Job ${jobId} is changed.\n`);
  const now = (await farm.readJob(jobId)).policy;
  expect(now).toMatchObject({ priority: 80, priorityClass: 'normal', limits: [], maxNodes: 2 });
  expect(now.maxTasks).toBeUndefined();
  expect(now.placement).toEqual({ ...policy.placement, pool: undefined, sites: ['attic'] });
  expect(now.rerunSlowTasks).toBe(true);
  await karst('set', jobId, '--anywhere', '--tag', 'fast', '--rerun-slow-tasks', 'off');
  expect((await farm.readJob(jobId)).policy.rerunSlowTasks).toBe(false);
  expect((await farm.readJob(jobId)).policy.placement).toEqual({ tags: ['fast'] });
  expect((await karst('set', jobId)).code).toBe(3);
});

it('submits with caps of latency and price, and changes and takes back each by itself', async () => {
  const { cwd, karst } = await start();
  await writeBundle(path.join(cwd, 'job'), templateWith());
  const near = ['--max-latency', 'shanghai=20', '--max-latency', 'guiyang=2.5'];
  const cheap = ['--max-gpu-hour-price', '2', '--max-core-hour-price', '0.05'];
  const submitted = await karst('submit', 'job', ...near, ...cheap);
  const jobId = jobIdSchema.parse(submitted.stdout.trim());
  const placement = async () => (await farm.readJob(jobId)).policy.placement;
  const maxLatencyMs = { shanghai: 20, guiyang: 2.5 };
  expect(await placement()).toEqual({ maxLatencyMs, maxPrices: { gpuHour: 2, coreHour: 0.05 } });
  await karst('set', jobId, '--max-gpu-hour-price', '3');
  expect(await placement()).toEqual({ maxLatencyMs, maxPrices: { gpuHour: 3, coreHour: 0.05 } });
  const whole = '{"placement": {"maxPrices": {"gpuHour": 9, "coreHour": 1}}}';
  await karst('set', jobId, '--policy', whole, '--max-gpu-hour-price', 'none');
  expect(await placement()).toEqual({ maxLatencyMs, maxPrices: { coreHour: 1 } });
  await karst('set', jobId, '--max-latency', 'none', '--max-core-hour-price', 'none');
  expect(await placement()).toEqual({});
  await karst('set', jobId, ...near, ...cheap);
  await karst('set', jobId, '--anywhere', '--max-gpu-hour-price', '1');
  expect(await placement()).toEqual({ maxPrices: { gpuHour: 1 } });
  const none = '{"placement": {"maxPrices": null}}';
  await karst('set', jobId, ...cheap);
  await karst('set', jobId, '--policy', none, '--max-core-hour-price', '4');
  expect(await placement()).toEqual({ maxPrices: { coreHour: 4 } });
  for (const wrong of ['shanghai', 'shanghai=near', 'shanghai=-1']) {
    const refused = await karst('set', jobId, '--max-latency', wrong);
    expect(refused).toMatchObject({ code: 3, stdout: '' });
    expect(refused.stderr).toMatch(/Expected (NAME=VALUE|a number of 0 or more)\./);
  }
  const twice = await karst('set', jobId, '--max-latency', 'a=1', '--max-latency', 'a=2');
  expect(twice.stderr).toContain('a is given twice.');
  const capital = await karst('set', jobId, '--max-latency', 'Shanghai=20');
  expect(capital.stderr).toContain('expected 1 to 63 lower-case letters');
});

it('changes the rest of a policy by --policy, a file or JSON, and flags go before it', async () => {
  const { cwd, karst } = await start();
  await writeBundle(path.join(cwd, 'job'), templateWith());
  const jobId = jobIdSchema.parse((await karst('submit', 'job')).stdout.trim());
  const policy = async () => (await farm.readJob(jobId)).policy;
  const file = path.join(cwd, 'later.yaml');
  const rule = '{name: licence, log: no licence, as: farm}';
  await writeFile(
    file,
    `poisonNodes: 5\nsilentSeconds: 60\nfailureRules: [${rule}]\npriority: 9\n`,
  );
  await karst('set', jobId, '--policy', 'later.yaml', '--priority', '70');
  expect(await policy()).toMatchObject({ poisonNodes: 5, silentSeconds: 60, priority: 70 });
  expect((await policy()).failureRules).toEqual([
    { name: 'licence', log: 'no licence', as: 'farm' },
  ]);
  const inline = { silentSeconds: null, preemptible: false, placement: { avoidNodes: ['n1'] } };
  await karst('set', jobId, '--policy', JSON.stringify(inline), '--tag', 'rtx');
  expect(await policy()).toMatchObject({
    preemptible: false,
    placement: { avoidNodes: ['n1'], tags: ['rtx'] },
  });
  expect((await policy()).silentSeconds).toBeUndefined();
  await writeFile(
    file,
    'poisonNode: 5\nsteps: {Render: {hold: true}}\nfailureRules: [{name: a, as: b}]\n',
  );
  const refused = await karst('set', jobId, '--policy', 'later.yaml');
  expect(refused.code).toBe(1);
  expect(refused.stderr).toContain(
    'later.yaml:1:1 poisonNode: unknown key "poisonNode"; did you mean "poisonNodes"?',
  );
  expect(refused.stderr).toContain('later.yaml:2:8 steps: expected nothing: the order, scouts');
  expect(refused.stderr).toContain(
    'later.yaml:3:30 failureRules[0].as: expected one of task, node',
  );
  expect((await karst('set', jobId, '--policy', 'gone.yaml')).code).toBe(3);
});

it('says which limit was meant, at the place in the job’s policy', async () => {
  const { cwd, karst } = await start();
  await karst('limit', 'set', 'redshift', '--max', '4');
  await writeBundle(path.join(cwd, 'job'), templateWith());
  const refused = await karst('submit', 'job', '--limit', 'redshfit');
  expect(refused.stderr).toContain('The job policy is not valid');
  expect(refused.stderr).toContain('policy.limits[0]: the farm has no limit "redshfit"');
  expect(refused.stderr).toContain('did you mean "redshift"?');
  expect(refused.code).toBe(1);
});

it('sets how long jobs are kept, by studio and project, and how much a studio may store', async () => {
  const { karst, json } = await start();
  await karst('storage', 'set', 'acme', '--retention', '12w');
  const told = await karst('storage', 'set', 'acme/feature film', '--retention', 'forever');
  expect(told.stderr).toBe('Jobs of acme/feature film are kept for ever.\n');
  expect(await json('storage', 'get')).toEqual([
    { studio: 'acme', retentionDays: 84, usedBytes: 0 },
    { studio: 'acme', project: 'feature film', retentionDays: null },
  ]);
  await karst('storage', 'delete', 'acme/feature film');
  const bounded = await karst('storage', 'set', 'acme', '--quota', '1.5TB');
  expect(bounded.stderr).toBe('acme may store 1.5 TB.\n');
  expect((await karst('storage', 'get')).stdout).toMatch(
    /^OWNER +RETENTION +QUOTA +USED\nacme +84d +1\.5 TB +0 bytes\n$/,
  );
  await karst('storage', 'set', 'acme', '--quota', 'none', '--retention', 'forever');
  expect(await json('storage', 'get')).toEqual([
    { studio: 'acme', retentionDays: null, usedBytes: 0 },
  ]);
  const ofProject = await karst('storage', 'set', 'acme/feature film', '--quota', '1TB');
  expect(ofProject).toMatchObject({ code: 3, stdout: '' });
  expect(ofProject.stderr).toContain('Only a studio has a quota');
  expect((await karst('storage', 'set', 'acme', '--quota', 'lots')).code).toBe(3);
  expect((await karst('storage', 'set', 'acme', '--retention', '0d')).code).toBe(3);
  expect((await karst('delete', 'job-0123456789abcdef0123')).code).toBe(3);
  const missing = await karst('delete', 'job-0123456789abcdef0123', '--yes');
  expect(missing).toMatchObject({ code: 1, stdout: '' });
});

it('tells what the studio stores, in words and as data', async () => {
  const { karst, json } = await start();
  expect(await json('get', 'storage')).toMatchObject({
    studio: 'default',
    inputs: { bytes: expect.any(Number), objects: expect.any(Number) },
  });
  const { stdout } = await karst('get', 'storage');
  expect(stdout).toMatch(
    /^Studio: +default\nUsed: +.*\nQuota: +none\nInputs: +.* in \d+ objects?\n/,
  );
});

it('tells which input files nobody needs, and keeps those just uploaded', async () => {
  const { karst, json } = await start();
  await uploadAsset(farm, Buffer.from('just here'));
  const kept = { files: 1, bytes: 9 };
  const found = [{ studio: 'default', unused: { files: 0, bytes: 0 }, kept }];
  expect(await json('gc', '--dry-run')).toEqual(found);
  const table = await karst('gc', '--dry-run');
  expect(table.stdout).toMatch(
    /^STUDIO +UNUSED +BYTES +KEPT +BYTES\ndefault +0 +0 bytes +1 +9 bytes\n$/,
  );
  const whole = await farm.fetch('POST', '/v1/gc', {});
  expect(await whole.json()).toEqual({ items: found, isWhole: true });
});
