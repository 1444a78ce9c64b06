import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runCommand } from '../../scripts/run-command.ts';
import { ensureSystemPackages, SetupError } from '../../scripts/system-packages.ts';

const repositoryRoot = path.resolve(import.meta.dirname, '../..');
const script = path.join(repositoryRoot, 'scripts', 'system-packages.ts');

let binDir: string;

beforeEach(async () => {
  binDir = await mkdtemp(path.join(tmpdir(), 'karst-setup-'));
});

afterEach(async () => {
  await rm(binDir, { recursive: true, force: true });
});

/** Puts a program of that name, doing what the shell text says, on the test's PATH. */
async function program(name: string, shellText: string): Promise<void> {
  const file = path.join(binDir, name);
  await writeFile(file, `#!/bin/sh\n${shellText}\n`);
  await chmod(file, 0o755);
}

function ensure(needs: Parameters<typeof ensureSystemPackages>[0], extra: NodeJS.ProcessEnv = {}) {
  const said: string[] = [];
  const done = ensureSystemPackages(needs, {
    env: { PATH: binDir, ...extra },
    say: (line) => said.push(line),
  });
  return { said, done };
}

describe('ensureSystemPackages', () => {
  it('says nothing and installs nothing when everything is there', async () => {
    await program('valkey-server', 'exit 0');
    await program('ffmpeg', 'exit 0');
    const { said, done } = ensure(['redis', 'ffmpeg']);
    await done;
    expect(said).toEqual([]);
  });

  it('needs no Redis program when REDIS_URL names a server', async () => {
    await ensure(['redis'], { REDIS_URL: 'redis://127.0.0.1:6379' }).done;
  });

  it('does not take a folder or a plain file for a program', async () => {
    await mkdir(path.join(binDir, 'redis-server'));
    await writeFile(path.join(binDir, 'ffmpeg'), '');
    await expect(ensure(['redis', 'ffmpeg']).done).rejects.toThrow(/Missing: redis, ffmpeg/);
  });

  it('names what is missing where there is no package manager', async () => {
    const { done } = ensure(['blender', 'redis']);
    await expect(done).rejects.toThrow(SetupError);
    await expect(done).rejects.toThrow(
      /Missing: blender, redis.*apt-get, dnf, apk, brew.*blender, redis-server or valkey-server/s,
    );
  });

  it('installs all that is missing in one call, after one update, and says so first', async () => {
    const log = path.join(binDir, 'calls');
    await program(
      'apt-get',
      `echo "$DEBIAN_FRONTEND $*" >> ${log}
       [ "$1" = install ] || exit 0
       for name in redis-server blender; do
         printf '#!/bin/sh\\n' > ${binDir}/$name; /bin/chmod +x ${binDir}/$name
       done`,
    );
    await program('sudo', 'while [ "$1" != env ]; do [ $# -gt 0 ] || exit 0; shift; done; "$@"');
    await program('env', 'export "$1"; shift; exec "$@"');
    const { said, done } = ensure(['redis', 'blender']);
    await done;
    expect((await readFile(log, 'utf8')).trim().split('\n')).toEqual([
      'noninteractive update -q',
      'noninteractive install -y --no-install-recommends -o DPkg::Lock::Timeout=120 redis-server blender',
    ]);
    expect(said[0]).toMatch(/^Installing redis with apt-get/);
    expect(said.at(-1)).toBe('Installed redis-server, blender.');
  });

  it('shows the reason and the command to run by hand when the install fails', async () => {
    await program('apt-get', '[ "$1" = update ] || { echo "E: Unable to locate" >&2; exit 100; }');
    await program('sudo', 'exit 1');
    const { done } = ensure(['blender']);
    await expect(done).rejects.toThrow(SetupError);
    await expect(done).rejects.toThrow(/apt-get install -y --no-install-recommends blender/);
  });

  it('ends the process with exit code 1 and the message alone', async () => {
    const result = await runCommand(process.execPath, [script, 'redis'], {
      env: { PATH: binDir },
    });
    expect(result.code).toBe(1);
    expect(result.stderr).toMatch(/^\nMissing: redis, and none of/);
    expect(result.stderr).not.toMatch(/\n\s+at /);
  });

  it('refuses the name of a package it does not know', async () => {
    const result = await runCommand(process.execPath, [script, 'maya']);
    expect(result.code).toBe(1);
    expect(result.stderr).toContain('maya is none of redis, blender');
  });
});
