import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, cp, mkdir, mkdtemp, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const repositoryRoot = path.resolve(import.meta.dirname, '../..');

let root: string;

/** A checkout in small: the real bootstrap, no packages yet, and an npm that makes some. */
beforeEach(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'karst-bootstrap-'));
  await mkdir(path.join(root, 'scripts'));
  await mkdir(path.join(root, 'system'));
  await cp(
    path.join(repositoryRoot, 'scripts', 'bootstrap.mjs'),
    path.join(root, 'scripts', 'bootstrap.mjs'),
  );
  await writeFile(path.join(root, 'package.json'), '{"type":"module"}');
  await writeFile(path.join(root, 'package-lock.json'), '{}');
  await fakeNpm('mkdir -p node_modules && touch node_modules/.package-lock.json');
});

afterEach(async () => {
  await rm(root, { recursive: true, force: true });
});

async function fakeNpm(shellText: string): Promise<void> {
  const file = path.join(root, 'system', 'npm');
  await writeFile(file, `#!/bin/sh\necho "npm $*"\n${shellText}\n`);
  await chmod(file, 0o755);
}

async function script(name: string, source: string): Promise<void> {
  await writeFile(path.join(root, 'scripts', `${name}.ts`), source);
}

function bootstrap(...args: string[]): ChildProcess {
  return spawn(process.execPath, [path.join(root, 'scripts', 'bootstrap.mjs'), ...args], {
    env: { ...process.env, PATH: `${path.join(root, 'system')}:/usr/bin:/bin` },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

async function ending(child: ChildProcess) {
  if (child.stdout === null || child.stderr === null) throw new Error('the output is not piped');
  const [[code], stdout, stderr] = await Promise.all([
    once(child, 'close'),
    text(child.stdout),
    text(child.stderr),
  ]);
  return { code, stdout, stderr };
}

describe('scripts/bootstrap.mjs', () => {
  it('installs missing packages, then runs the script with its arguments and exit code', async () => {
    await script(
      'hello',
      'const args: string[] = process.argv.slice(2); console.log(args); process.exit(7);',
    );
    const { code, stdout, stderr } = await ending(bootstrap('hello', '--json', 'a b'));
    expect(code).toBe(7);
    expect(stdout).toBe("[ '--json', 'a b' ]\n");
    expect(stderr).toContain('The npm packages are missing: running npm ci');
    expect(stderr).toContain('npm ci --ignore-scripts');
  });

  it('leaves fresh packages alone and installs again when package-lock.json is newer', async () => {
    await script('hello', 'console.log("ran")');
    await ending(bootstrap('hello'));
    expect((await ending(bootstrap('hello'))).stderr).toBe('');

    const later = new Date(2_100_000_000_000);
    await utimes(path.join(root, 'package-lock.json'), later, later);
    expect((await ending(bootstrap('hello'))).stderr).toContain('The npm packages are outdated');
  });

  it('ends with exit code 1 and runs nothing when npm ci fails', async () => {
    await fakeNpm('echo "npm error: no network" >&2; exit 1');
    await script('hello', 'console.log("ran")');
    const { code, stdout, stderr } = await ending(bootstrap('hello'));
    expect(code).toBe(1);
    expect(stdout).toBe('');
    expect(stderr).toMatch(/npm error: no network\n\nnpm ci failed/);
  });

  it('installs by the lock all the same when npm ci refuses the lock as incomplete', async () => {
    await fakeNpm(`if [ "$1" = ci ]; then echo "npm error code EUSAGE" >&2; exit 1; fi
      mkdir -p node_modules && touch node_modules/.package-lock.json`);
    await script('hello', 'console.log("ran")');
    const { code, stdout, stderr } = await ending(bootstrap('hello'));
    expect(code).toBe(0);
    expect(stdout).toBe('ran\n');
    expect(stderr).toContain('npm install --no-save --ignore-scripts');
  });

  it('prefers the Node that came with the packages', async () => {
    await script('hello', 'console.log(process.argv0)');
    await mkdir(path.join(root, 'node_modules', '.bin'), { recursive: true });
    await symlink(process.execPath, path.join(root, 'node_modules', '.bin', 'node'));
    await writeFile(path.join(root, 'node_modules', '.package-lock.json'), '{}');
    const { stdout } = await ending(bootstrap('hello'));
    expect(stdout.trim()).toBe(path.join(root, 'node_modules', '.bin', 'node'));
  });

  it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)('hands %s on to the script', async (signal) => {
    await script(
      'wait',
      `process.on('${signal}', () => { console.log('got it'); process.exit(5); });
       process.stdin.resume(); console.log('ready'); setInterval(() => {}, 1000);`,
    );
    const child = bootstrap('wait');
    child.stdout?.once('data', () => child.kill(signal));
    const { code, stdout } = await ending(child);
    expect(stdout).toBe('ready\ngot it\n');
    expect(code).toBe(5);
  });

  it('ends as a shell would when the script is killed by a signal', async () => {
    await script('die', `process.kill(process.pid, 'SIGKILL');`);
    expect((await ending(bootstrap('die'))).code).toBe(137);
  });

  it('refuses a script that is not there, before it installs anything', async () => {
    const { code, stderr } = await ending(bootstrap('nothing'));
    expect(code).toBe(1);
    expect(stderr).toBe('There is no script scripts/nothing.ts.\n');
  });

  it('refuses a name that walks out of scripts/', async () => {
    const { code, stderr } = await ending(bootstrap('../evil'));
    expect(code).toBe(1);
    expect(stderr).toMatch(/^Usage:/);
  });
});
