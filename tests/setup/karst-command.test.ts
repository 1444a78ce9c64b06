import { execFile } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../..', import.meta.url));
let dir: string;
let env: Record<string, string>;

/** A machine whose own Node is too old for anything here. */
beforeAll(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'karst-command-'));
  await mkdir(path.join(dir, 'old'));
  await writeFile(path.join(dir, 'old', 'node'), '#!/bin/sh\necho old >&2\nexit 1\n', {
    mode: 0o755,
  });
  env = { PATH: `${path.join(dir, 'old')}:/usr/bin:/bin` };
});
afterAll(() => rm(dir, { recursive: true, force: true }));

it.each([
  ['the way npm installs it', () => path.join(root, 'node_modules/.bin/karst')],
  ['by its own name', () => path.join(root, 'cli/bin/karst')],
  ['by a link of the person’s own', () => path.join(dir, 'karst')],
])('runs on the Node that came with the project, called %s', async (_how, file) => {
  await symlink(path.join(root, 'node_modules/.bin/karst'), path.join(dir, 'karst')).catch(
    () => undefined,
  );
  const { stdout, stderr } = await run(file(), ['--help'], { env, cwd: dir });
  expect(stdout).toContain('Usage: karst [options] [command]');
  expect(stderr).toBe('');
});

it('says in one line what it needs where none came with it', async () => {
  const bin = path.join(dir, 'bare/cli/bin');
  await mkdir(bin, { recursive: true });
  await copyFile(path.join(root, 'cli/bin/karst'), path.join(bin, 'karst'));
  const refused = run(path.join(bin, 'karst'), ['--help'], { env, cwd: dir });
  await expect(refused).rejects.toMatchObject({
    code: 1,
    stderr: `karst: needs Node 22.18 or newer. Run npm install in ${path.join(dir, 'bare')}: it brings Node 24.\n`,
  });
});
