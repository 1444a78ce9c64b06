import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { inspectFrames } from '../../scripts/media.ts';
import { type CommandResult, runCommand } from '../../scripts/run-command.ts';
import { ensureSystemPackages } from '../../scripts/system-packages.ts';
import { Child } from '../support/child.ts';
import { HandSession, recipeJob, succeeded } from './support/hand-session.ts';
import { makeScene, makeSceneWithScript, testDir } from './support/scenes.ts';

let sceneDir: string;
let scene: string;

beforeAll(async () => {
  await ensureSystemPackages(['blender', 'ffmpeg']);
  sceneDir = await mkdtemp(path.join(tmpdir(), 'karst-scene-'));
  scene = await makeScene(sceneDir);
}, 600_000);

afterAll(() => rm(sceneDir, { recursive: true, force: true }));

/** A session of a step of this recipe in a directory of its own, where it also writes. */
async function session(fields: string, step = 'Render', dir?: string) {
  const home = dir ?? (await testDir());
  const job = recipeJob(`render: {scene: cube.blend, ${fields}}`);
  const out = path.join(home, 'out');
  await mkdir(out, { recursive: true });
  const paths = { Scene: scene, OutputDir: out };
  return { hand: new HandSession(job, step, home, paths), out, home };
}

const pixelsOf = async (dir: string, frames: readonly number[]) =>
  (
    await inspectFrames(
      frames.map((frame) => path.join(dir, `cube_${String(frame).padStart(4, '0')}.png`)),
    )
  ).map(({ md5 }) => md5);

const said = (result: CommandResult | undefined) => result?.stdout.toString() ?? '';

/** What is left of the session's Blender: nothing, or its process id. */
async function blenderPid(home: string): Promise<number> {
  return Number(await readFile(path.join(home, 'karst-blender', 'pid'), 'utf8'));
}

const alive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    // ESRCH: no such process, which is the question.
    return false;
  }
};

describe('render with Blender', { timeout: 120_000 }, () => {
  it('gives the same pixels from a process a frame, one for all, and one kept loaded', async () => {
    const frames = [1, 9, 17];
    const each = await session('frames: 1-17x8, keepLoaded: false');
    await each.hand.runAll();

    const whole = await session('frames: 1-17x8, chunk: 3');
    expect(whole.hand.step.taskCount).toBe(1);
    const chunk = succeeded(await whole.hand.run(0));
    expect(said(chunk)).toMatch(/openjd_progress: 33\n[\s\S]*openjd_progress: 100\n/);
    expect(said(chunk)).toContain('openjd_status: Frame 9, 2 of 3\n');

    const kept = await session('frames: 1-17x8');
    const [entered] = await kept.hand.enter();
    expect(entered?.code).toBe(0);
    const pipes = path.join(kept.home, 'karst-blender');
    expect((await stat(pipes)).mode & 0o077).toBe(0);
    const pid = await blenderPid(kept.home);
    for (let index = 0; index < 3; index++) {
      const task = succeeded(await kept.hand.run(index));
      expect(said(task)).toMatch(/^openjd_status: Frame \d+, 1 of 1$/m);
      expect(said(task)).toMatch(/^openjd_progress: 100$/m);
      // Blender's own words, those of this frame only and up to the last.
      expect(new Set(said(task).match(/Fra:\d+/g))).toEqual(new Set([`Fra:${frames[index]}`]));
      expect(said(task)).toMatch(/^ Time: .*Saving/m);
    }
    expect(await blenderPid(kept.home)).toBe(pid);
    expect((await kept.hand.exit()).map(({ code }) => code)).toEqual([0]);
    expect(alive(pid)).toBe(false);

    const pixels = await pixelsOf(each.out, frames);
    expect(new Set(pixels).size).toBe(3);
    expect(await pixelsOf(whole.out, frames)).toEqual(pixels);
    expect(await pixelsOf(kept.out, frames)).toEqual(pixels);
  });

  it('overrides what the scene says, where the recipe says so', async () => {
    const { hand, out } = await session(
      'frames: -3, width: 64, height: 64, percentage: 50, samples: 1, output: a-###.jpg',
    );
    succeeded(await hand.run(0));
    const [picture] = await inspectFrames([path.join(out, 'a--003.jpg')]);
    expect(picture).toMatchObject({ width: 32, height: 32 });
  });

  it('fails with a reason when the scene cannot be read', async () => {
    const dir = await testDir();
    const paths = { Scene: path.join(dir, 'no.blend'), OutputDir: dir };
    const job = recipeJob('render: {scene: no.blend}');
    const result = await new HandSession(job, 'Render', dir, paths).run(0);
    expect(result.code).toBe(1);
    expect(`${said(result)}${result.stderr}`).toMatch(/no\.blend.*No such file/);
  });

  it('runs a script of the scene only where the recipe allows it', async () => {
    const dir = await testDir();
    const proof = path.join(dir, 'proof');
    const paths = { Scene: await makeSceneWithScript(dir, proof), OutputDir: dir };
    for (const scripts of [false, true]) {
      const job = recipeJob(`render: {scene: a.blend, width: 16, height: 16, scripts: ${scripts}}`);
      succeeded(await new HandSession(job, 'Render', dir, paths).run(0));
      expect(existsSync(proof)).toBe(scripts);
    }
  });

  it('puts tiles together to the very pixels of the whole picture', async () => {
    const whole = await session('frames: 5');
    succeeded(await whole.hand.run(0));
    const tiles = await session('frames: 5, tiles: 2x2', 'Tile');
    expect(tiles.hand.step.taskCount).toBe(4);
    await tiles.hand.enter();
    await tiles.hand.runAll();
    await tiles.hand.exit();
    const assemble = await session('frames: 5, tiles: 2x2, output: c_####', 'Assemble', tiles.home);
    succeeded(await assemble.hand.run(0));
    const [first, second] = await inspectFrames([
      path.join(whole.out, 'cube.png'),
      path.join(tiles.out, 'c_0005.png'),
    ]);
    expect(second).toMatchObject({ width: 96, height: 54, md5: first?.md5 });
  });
});

describe('a Blender kept loaded that ends', { timeout: 120_000 }, () => {
  it('fails the task it was rendering, and every later one of the session at once', async () => {
    const { hand, home } = await session('frames: 1-2, samples: 1000000');
    await hand.enter();
    const ended = 'openjd_fail: Blender ended while it rendered (exit code 137)';
    const { command, args } = await hand.prepare(0);
    const task = new Child('task', command, args, hand.env, home);
    await task.line((line) => (line.includes('| Sample ') ? line : undefined));
    process.kill(await blenderPid(home), 'SIGKILL');
    await task.line((line) => line === ended || undefined);
    await task.exit();
    // The task ends as its Blender did.
    expect(task.process.signalCode).toBe('SIGKILL');
    const next = await hand.run(1);
    expect(next.signal).toBe('SIGKILL');
    expect(said(next)).toContain('openjd_fail: Blender has ended before');
    expect((await hand.exit()).map(({ code }) => code)).toEqual([0]);
  });

  it('in the middle of a frame is ended by the way out of the session', async () => {
    const { hand, home } = await session('frames: 1, samples: 1000000, keepLoaded: true');
    await hand.enter();
    const { command, args } = await hand.prepare(0);
    const task = new Child('task', command, args, hand.env, home);
    await task.line((line) => (line.includes('| Sample ') ? line : undefined));
    await task.kill();
    const pid = await blenderPid(home);
    expect(alive(pid)).toBe(true);
    expect((await hand.exit()).map(({ code }) => code)).toEqual([0]);
    expect(alive(pid)).toBe(false);
  });

  it('before its scene is open fails the entering, with what it said', async () => {
    const job = recipeJob('render: {scene: no.blend, keepLoaded: true}');
    const dir = await testDir();
    const paths = { Scene: path.join(dir, 'no.blend'), OutputDir: dir };
    const [entered] = await new HandSession(job, 'Render', dir, paths).enter();
    expect(entered?.code).toBe(1);
    expect(said(entered)).toContain('openjd_fail: Blender ended before its scene was loaded');
    expect(said(entered)).toContain('no.blend');
  });

  it('was never started is told to the task', async () => {
    const { hand } = await session('frames: 1, keepLoaded: true');
    const result = await hand.run(0);
    expect(result.code).toBe(1);
    expect(said(result)).toContain('openjd_fail: no Blender was started in this session');
  });
});

describe('a movie', () => {
  it('has the pictures in the order of their numbers, whatever their names sort like', async () => {
    const dir = await testDir();
    const pictures = path.join(dir, 'in');
    await mkdir(pictures);
    // Brighter with each number: -0002 sorts after -0001 as text, and 10000 before 9999.
    for (const [number, grey] of [
      ['-0002', '10'],
      ['-0001', '50'],
      ['0003', '90'],
      ['9999', 'd0'],
      ['10000', 'f0'],
    ]) {
      const color = `color=0x${grey}${grey}${grey}:size=31x17`;
      const file = path.join(pictures, `p_${number}.png`);
      succeeded(await runCommand('ffmpeg', ['-f', 'lavfi', '-i', color, '-frames:v', '1', file]));
    }
    const job = recipeJob('encode: {pictures: in/p_####.png, fps: 5, crf: 0, output: p.mp4}');
    const movie = path.join(dir, 'made', 'p.mp4');
    const hand = new HandSession(job, 'Encode', dir, { Pictures: pictures, Movie: movie });
    succeeded(await hand.run(0));
    const grey = ['-vf', 'scale=1:1', '-pix_fmt', 'gray', '-f', 'rawvideo', 'pipe:1'];
    const bytes = succeeded(await runCommand('ffmpeg', ['-i', movie, ...grey])).stdout;
    const levels = [...bytes];
    expect(levels).toHaveLength(5);
    expect(levels).toEqual(levels.toSorted((a, b) => a - b));
    expect(new Set(levels).size).toBe(5);
  });

  it('of no pictures fails with a reason', async () => {
    const dir = await testDir();
    const job = recipeJob('encode: {pictures: in/p_####.png}');
    const paths = { Pictures: dir, Movie: path.join(dir, 'p.mp4') };
    const result = await new HandSession(job, 'Encode', dir, paths).run(0);
    expect(result.code).toBe(1);
    expect(said(result)).toContain('openjd_fail: there is no p_*.png');
  });
});
