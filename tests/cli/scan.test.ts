import { mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ensureSystemPackages } from '../../scripts/system-packages.ts';
import { isAlive } from '../scenarios/support/processes.ts';
import { eventually } from '../support/eventually.ts';
import { templateWith, writeBundle } from './support/bundle.ts';
import { FixtureServer } from './support/fixture-server.ts';
import { runCli, startCli, testDir } from './support/run-cli.ts';
import { makeFilm } from './support/scenes.ts';

let dir: string;
let scene: string;

beforeAll(async () => {
  await ensureSystemPackages(['blender']);
  dir = await mkdtemp(path.join(await realpath(tmpdir()), 'karst-scan-'));
  scene = await makeFilm(dir);
}, 600_000);

afterAll(() => rm(dir, { recursive: true, force: true }));

/** Where this machine has what the film's scene finds on another. */
const maps = ['--path-map', 'Z:\\show=mnt', '--path-map', '\\\\nas\\Lib=nas'];

const at = (...names: string[]) => path.join(dir, ...names);
const karst = (...args: string[]) => runCli(args, { cwd: dir });

describe('karst scan', { timeout: 60_000 }, () => {
  it('lists all that a scene and its libraries need, and what of it is missing', async () => {
    const found = await karst('scan', scene, ...maps, '-o', 'json');
    expect(found.stderr).toBe('');
    expect(found.code).toBe(1);
    const tile = (number: number) => at('film/tex', `tile.${number}.png`);
    const image = { kind: 'image', pattern: 'file', blend: scene, missing: [] };
    const library = { ...image, kind: 'library' };
    expect(JSON.parse(found.stdout)).toEqual([
      {
        scene,
        blender: expect.stringMatching(/^\d+\.\d+/),
        files: [
          {
            ...image,
            path: '//../plates/p_0001.png',
            pattern: 'sequence',
            source: at('film/plates/p_0001.png'),
            found: at('film/plates/p_0001.png'),
            usedBy: ['Material Plate'],
            files: [1, 2, 3].map((n) => at(`film/plates/p_000${n}.png`)),
          },
          {
            // Saved on Windows, where names differ in case in nothing.
            ...image,
            path: '//../tex/Wood.png',
            source: at('film/tex/Wood.png'),
            found: at('film/tex/wood.png'),
            usedBy: ['Material Wood'],
            files: [at('film/tex/wood.png')],
          },
          {
            ...image,
            path: '//../tex/gone.png',
            source: at('film/tex/gone.png'),
            found: null,
            usedBy: ['Material Gone'],
            files: [],
            missing: [at('film/tex/gone.png')],
          },
          {
            ...image,
            path: '//../tex/tile.<UDIM>.png',
            pattern: 'udim',
            source: at('film/tex/tile.<UDIM>.png'),
            found: at('film/tex/tile.<UDIM>.png'),
            usedBy: ['Material Tiled'],
            files: [tile(1001), tile(1002)],
            missing: [tile(1003)],
          },
          {
            ...image,
            path: '//bulb.png',
            blend: at('mnt/lib/lamp.blend'),
            source: at('mnt/lib/bulb.png'),
            found: at('mnt/lib/bulb.png'),
            usedBy: ['Material Bulb'],
            files: [at('mnt/lib/bulb.png')],
          },
          {
            ...image,
            path: '//leg.png',
            blend: at('film/lib/leg.blend'),
            source: at('film/lib/leg.png'),
            found: at('film/lib/leg.png'),
            usedBy: ['Material Leg'],
            files: [at('film/lib/leg.png')],
          },
          {
            ...image,
            path: '//seat.png',
            blend: at('film/lib/chair.blend'),
            source: at('film/lib/seat.png'),
            found: at('film/lib/seat.png'),
            usedBy: ['Material Seat'],
            files: [at('film/lib/seat.png')],
          },
          {
            ...image,
            path: at('film/tex/abs.png'),
            source: at('film/tex/abs.png'),
            found: at('film/tex/abs.png'),
            usedBy: ['Material Abs'],
            files: [at('film/tex/abs.png')],
          },
          {
            ...image,
            path: '\\\\NAS/lib/unc.png',
            source: '\\\\NAS/lib/unc.png',
            found: at('nas/unc.png'),
            usedBy: ['Material Unc'],
            files: [at('nas/unc.png')],
          },
          {
            ...image,
            path: 'z:/Show/tex/win.png',
            source: 'z:/Show/tex/win.png',
            found: at('mnt/tex/Win.png'),
            usedBy: ['Material Win'],
            files: [at('mnt/tex/Win.png')],
          },
          {
            ...library,
            path: '//../lib/chair.blend',
            source: at('film/lib/chair.blend'),
            found: at('film/lib/chair.blend'),
            usedBy: ['Image Seat', 'Material Seat', 'Mesh Plane', 'Object Seat'],
            files: [at('film/lib/chair.blend')],
          },
          {
            ...library,
            path: '//../lib/leg.blend',
            source: at('film/lib/leg.blend'),
            found: at('film/lib/leg.blend'),
            usedBy: ['Library chair.blend'],
            files: [at('film/lib/leg.blend')],
          },
          {
            ...library,
            path: 'Z:/show/lib/lamp.blend',
            source: 'Z:/show/lib/lamp.blend',
            found: at('mnt/lib/lamp.blend'),
            usedBy: ['Image Bulb', 'Material Bulb', 'Mesh Plane', 'Object Bulb'],
            files: [at('mnt/lib/lamp.blend')],
          },
          {
            ...image,
            kind: 'strip',
            path: '//../plates/p_0002.png',
            pattern: 'list',
            source: at('film/plates/p_0002.png'),
            found: at('film/plates'),
            usedBy: ['Scene Scene'],
            files: [at('film/plates/p_0002.png'), at('film/plates/p_0003.png')],
          },
        ],
      },
    ]);
  });

  it('is for people, too: a table, or the names of what is missing', async () => {
    const table = await karst('scan', scene, ...maps);
    expect(table.code).toBe(1);
    expect(table.stdout).toMatch(/^KIND +STATE +FILES +MISSING +PATH +USED BY\nimage +present +3 /);
    expect(table.stdout).toMatch(
      /^image +missing +0 +1 +\/\/\.\.\/tex\/gone\.png +Material Gone$/m,
    );
    expect(table.stderr).toBe(`${scene} names 14 things outside it; 2 missing.\n`);
    const names = await karst('scan', scene, ...maps, '-o', 'name');
    expect(names.stdout).toBe(`${at('film/tex/gone.png')}\n${at('film/tex/tile.1003.png')}\n`);
    const whole = await karst('scan', at('film/lib/chair.blend'));
    expect(whole.code).toBe(0);
    expect(whole.stderr).toContain('chair.blend names 3 things outside it; all are there.');
  });

  it('says plainly what it can’t read, and that there is no Blender', async () => {
    const own = await testDir();
    await writeFile(path.join(own, 'a.blend'), 'no scene');
    const scan = (...args: string[]) => runCli(['scan', ...args], { cwd: own });
    const bad = await scan('a.blend');
    expect(bad.code).toBe(1);
    expect(bad.stderr).toMatch(
      /^karst: Blender could not open every scene\.\n {2}.*a\.blend: .*not/,
    );
    const none = await scan('a.blend', '--blender', path.join(own, 'blender-9'));
    expect(none.code).toBe(1);
    expect(none.stderr).toBe(
      `karst: There is no ${path.join(own, 'blender-9')} on this machine.\n`,
    );
    expect((await scan('b.blend')).stderr).toContain('b.blend is no file.');
    expect((await scan('a.blend', '--path-map', 'show=.')).stderr).toContain('absolute source');
    expect((await scan('a.blend', '--path-map', 'Z:\\=gone')).stderr).toContain('no directory');

    const program = path.join(own, 'crashes');
    await writeFile(program, '#!/bin/sh\necho last words\nkill -SEGV $$\n', { mode: 0o700 });
    const crashed = await scan('a.blend', '--blender', program);
    expect(crashed.code).toBe(1);
    expect(crashed.stderr).toMatch(
      /ended \(SIGSEGV\) before .*a\.blend needs\.\n {2}last words\n$/,
    );
    // A script that starts it, as many are installed.
    await writeFile(program, '#!/bin/sh\nsleep 60 & echo $! > pid\nwait\n', { mode: 0o700 });
    const isGone = async () => {
      const pid = Number(await readFile(path.join(own, 'pid'), 'utf8'));
      await eventually('its end', () => !isAlive(pid));
    };
    const late = await scan('a.blend', '--blender', program, '--scan-timeout', '2s');
    expect(late.stderr).toMatch(/did not tell what .*a\.blend needs within 2 s/);
    await isGone();
    await rm(path.join(own, 'pid'));
    const waiting = startCli(['scan', 'a.blend', '--blender', program], { cwd: own });
    await eventually(
      'a Blender',
      async () => (await readFile(path.join(own, 'pid'), 'utf8')) !== '',
    );
    waiting.signal('SIGINT');
    expect((await waiting.result()).code).toBe(130);
    await isGone();
  });
});

describe('karst submit of a scene', { timeout: 60_000 }, () => {
  it('refuses with all that is missing before a byte travels; else brings what the scene needs', async () => {
    const server = await FixtureServer.start();
    await writeFile(at('film/scenes/shot.yaml'), 'render: {scene: shot.blend}\n');
    const submit = (...args: string[]) =>
      runCli(['submit', 'film/scenes/shot.yaml', ...args], { cwd: dir, env: server.env });
    const refused = await submit();
    expect(refused.code).toBe(1);
    expect(refused.stdout).toBe('');
    expect(refused.stderr).toBe(
      [
        'karst: The scene needs what is not there. Nothing was uploaded.',
        `  image //../tex/gone.png (${at('film/tex/gone.png')}), used by Material Gone in ${scene}`,
        `  image //../tex/tile.<UDIM>.png (${at('film/tex/tile.1003.png')}), used by Material Tiled in ${scene}`,
        `  image \\\\NAS/lib/unc.png, used by Material Unc in ${scene}`,
        `  image z:/Show/tex/win.png, used by Material Win in ${scene}`,
        `  library Z:/show/lib/lamp.blend, used by Object Bulb in ${scene}`,
        "  --path-map '\\\\NAS\\lib=DIR' tells where \\\\NAS\\lib is on this machine.",
        "  --path-map 'z:\\Show=DIR' tells where z:\\Show is on this machine.",
        '  --allow-missing submits all the same, --no-scan without looking.',
        '',
      ].join('\n'),
    );
    expect(server.requests).toEqual([]);

    const sent = await submit('--allow-missing', ...maps);
    expect(sent.stderr).toContain('missing: image //../tex/gone.png');
    expect(sent.stderr).toContain(`Named by the scene: 15 more inputs, in ${at('film/lib')}, `);
    expect(sent.code).toBe(0);
    const name = path.basename(dir);
    const [post] = server.seen('POST', '/v1/jobs');
    const submission = JSON.parse(post?.body.toString() ?? '');
    expect(submission.inputs.map(({ path: place }: { path: string }) => place)).toEqual(
      [
        'film/lib/chair.blend',
        'film/lib/leg.blend',
        'film/lib/leg.png',
        'film/lib/seat.png',
        ...[1, 2, 3].map((n) => `film/plates/p_000${n}.png`),
        'film/scenes/shot.blend',
        'film/tex/abs.png',
        'film/tex/tile.1001.png',
        'film/tex/tile.1002.png',
        'film/tex/wood.png',
        'mnt/lib/bulb.png',
        'mnt/lib/lamp.blend',
        'mnt/tex/Win.png',
        'nas/unc.png',
      ].map((place) => `${name}/${place}`),
    );
    expect(submission.locations).toEqual({
      Scene: `${name}/film/scenes/shot.blend`,
      OutputDir: 'frames',
    });
    expect(submission.pathMapping).toEqual([
      { sourcePathFormat: 'POSIX', sourcePath: dir, location: name },
      { sourcePathFormat: 'WINDOWS', sourcePath: '\\\\NAS/lib', location: `${name}/nas` },
      { sourcePathFormat: 'WINDOWS', sourcePath: 'z:/Show', location: `${name}/mnt` },
    ]);

    // A folder that holds the scene travels whole; what it names elsewhere in the bundle stays in place.
    server.requests.length = 0;
    const program = ['-p', 'Blender=./a-program-of-the-nodes'];
    await writeFile(at('all.yaml'), 'render: {scene: scenes/shot.blend, folder: film}\n');
    const whole = await runCli(['submit', 'all.yaml', '--allow-missing', ...maps, ...program], {
      cwd: dir,
      env: server.env,
    });
    expect(whole.stderr).toContain('Named by the scene: 4 more inputs, in ');
    const [folder] = server.seen('POST', '/v1/jobs').map(({ body }) => JSON.parse(body.toString()));
    expect(folder.locations).toEqual({ Folder: 'film', OutputDir: 'frames' });
    expect(folder.assets).toEqual([
      'mnt/lib/bulb.png',
      'nas/unc.png',
      'mnt/tex/Win.png',
      'mnt/lib/lamp.blend',
    ]);
    expect(folder.pathMapping).toEqual([
      { sourcePathFormat: 'POSIX', sourcePath: at('film'), location: 'film' },
      { sourcePathFormat: 'WINDOWS', sourcePath: '\\\\NAS/lib', location: 'nas' },
      { sourcePathFormat: 'WINDOWS', sourcePath: 'z:/Show', location: 'mnt' },
    ]);

    // The scene alone, where nobody is to look or nothing can.
    const alone = (...args: string[]) => {
      server.requests.length = 0;
      return submit(...args);
    };
    const places = () =>
      JSON.parse(server.seen('POST', '/v1/jobs')[0]?.body.toString() ?? '').inputs.map(
        (input: { path: string }) => input.path,
      );
    expect((await alone('--no-scan')).stderr).not.toContain('blender');
    expect(places()).toEqual(['shot.blend']);
    const nowhere = ['--blender', at('none')];
    expect((await alone(...nowhere)).stderr).toContain(
      `There is no ${at('none')} on this machine. What shot.blend needs was not looked for.`,
    );
    expect(places()).toEqual(['shot.blend']);
    const asked = await alone('--scan', ...nowhere);
    expect(asked.code).toBe(1);
    expect(server.requests).toEqual([]);
  });

  it('looks through the scenes of any other job where it is asked to; outputs stand where they did', async () => {
    const server = await FixtureServer.start();
    const parameters = [
      { name: 'Scene', objectType: 'FILE' as const, dataFlow: 'IN' as const },
      { name: 'Out', dataFlow: 'OUT' as const },
    ];
    await writeBundle(at('bundle'), templateWith(parameters));
    const values = ['-p', `Scene=${at('film/lib/chair.blend')}`, '-p', `Out=${at('elsewhere')}`];
    const submit = (...args: string[]) =>
      runCli(['submit', 'bundle', ...values, ...args], { cwd: dir, env: server.env });
    const submission = () =>
      JSON.parse(server.seen('POST', '/v1/jobs').at(-1)?.body.toString() ?? '');
    expect((await submit()).code).toBe(0);
    expect(submission()).toMatchObject({
      locations: { Scene: 'chair.blend', Out: 'elsewhere' },
      inputs: [{ path: 'chair.blend' }],
    });
    expect(submission()).not.toHaveProperty('pathMapping');
    expect((await submit('--scan')).code).toBe(0);
    expect(submission()).toMatchObject({
      locations: { Scene: 'lib/chair.blend', Out: 'elsewhere' },
      assets: ['lib/leg.png', 'lib/seat.png', 'lib/leg.blend'],
    });
    await writeFile(at('film/none.txt'), '');
    const none = [
      'submit',
      'bundle',
      '--scan',
      '-p',
      `Scene=${at('film/none.txt')}`,
      '-p',
      'Out=o',
    ];
    const nothing = await runCli(none, { cwd: dir, env: server.env });
    expect(nothing.code).toBe(3);
    expect(nothing.stderr).toContain('--scan: the job brings no .blend file.');
  });
});
