import { mkdir, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { walkDirectory } from '@karst/cli/bundle/walk-directory.ts';
import { describe, expect, it } from 'vitest';
import { templateWith, writeBundle } from './support/bundle.ts';
import { FixtureServer } from './support/fixture-server.ts';
import { runCli, testDir } from './support/run-cli.ts';

const scene = { name: 'Scene', objectType: 'FILE', dataFlow: 'IN' } as const;

/** A bundle whose files say that this path travels with it, one way or another. */
async function submitWith(file: string, how: 'value' | 'reference') {
  const cwd = await testDir();
  const server = await FixtureServer.start();
  const value = JSON.stringify({ parameterValues: [{ name: 'Scene', value: file }] });
  const reference = JSON.stringify({ assetReferences: { inputs: { filenames: [file] } } });
  await writeBundle(
    path.join(cwd, 'shot'),
    templateWith(how === 'value' ? [scene] : []),
    how === 'value' ? { 'parameter_values.yaml': value } : { 'asset_references.yaml': reference },
  );
  const result = await runCli(['submit', 'shot'], { cwd, env: server.env });
  return { ...result, requests: server.requests };
}

describe('a path that no file can have', () => {
  it.each([
    ['a NUL', 'value', 'a\0b', /Parameter Scene: "a\\u0000b" can't be sent under that name/],
    ['a NUL', 'reference', 'a\0b', /asset_references\.yaml:1:44 .*found U\+0000/],
    ['a newline', 'value', 'a\nb', /Parameter Scene: "a\\nb" can't be sent under that name/],
    ['a newline', 'reference', 'a\nb', /asset_references\.yaml:1:44 .*found U\+000A/],
    ['4,000 characters', 'value', 'x'.repeat(4000), /values\.yaml:1:45 .*found 4000 characters/],
    [
      '4,000 characters',
      'reference',
      'x'.repeat(4000),
      /yaml:1:44 .*x (does not exist|can't be read \(ENAMETOOLONG\))/,
    ],
    ['nothing behind ..', 'reference', '../../gone', /yaml:1:44 .*gone does not exist/],
  ] as const)(
    'with %s (%s) is told at its place, and nothing is sent',
    async (_, how, file, says) => {
      const { code, stderr, requests } = await submitWith(file, how);
      expect(stderr).toMatch(says);
      expect(code).toBe(1);
      expect(requests).toEqual([]);
    },
  );
});

describe('a directory that travels', () => {
  const walk = (dir: string) =>
    walkDirectory({ dir, location: 'files', homeDir: dir, told: 'Files' });

  it('keeps names as the disk has them, composed or not', async () => {
    const dir = await testDir();
    const names = [
      '\u00e9',
      'e\u0301',
      '-n',
      '--',
      ' lead',
      'trail ',
      'it\'s "so"',
      '\u{1f3ac}',
      '~',
      '%2e%2e',
      '...',
    ];
    for (const name of names) await writeFile(path.join(dir, name), name);
    const { files } = await walk(dir);
    expect(files.map(({ treePath }) => treePath).sort()).toEqual(
      names.map((name) => `files/${name}`).sort(),
    );
  });

  it.each(['new\nline', 'bell\u0007', 'back\\slash'])(
    'is refused for the name %j',
    async (name) => {
      const dir = await testDir();
      await writeFile(path.join(dir, name), '');
      await expect(walk(dir)).rejects.toThrow(JSON.stringify(path.join(dir, name)));
    },
  );

  it('is refused for a name that is not UTF-8', async () => {
    const dir = await testDir();
    await writeFile(Buffer.concat([Buffer.from(`${dir}/a`), Buffer.from([0xff])]), '');
    await expect(walk(dir)).rejects.toThrow(`a name in ${dir} is not UTF-8`);
  });

  it('is refused when links make millions of one', async () => {
    const dir = await testDir();
    const roomNames = Array.from({ length: 40 }, (_, i) => path.join(dir, `${i}`));
    for (const room of roomNames) await mkdir(room);
    for (const [i, room] of roomNames.slice(0, -1).entries()) {
      for (const door of ['left', 'right']) await symlink(`../${i + 1}`, path.join(room, door));
    }
    await expect(walk(dir)).rejects.toThrow('symbolic links lead to it by more than 2000 ways');
  });
});
