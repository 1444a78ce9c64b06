import { createHash } from 'node:crypto';
import { appendFileSync } from 'node:fs';
import { mkdir, open, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { jobIdSchema, studioIdSchema } from '@karst/shared/protocol/ids.ts';
import { routes } from '@karst/shared/protocol/routes.ts';
import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import { templateWith, writeBundle } from './support/bundle.ts';
import { gatedFarm } from './support/gated-farm.ts';
import { testDir } from './support/run-cli.ts';

const gated = gatedFarm();
afterEach(() => {
  gated().gate.refuses = () => undefined;
});

const files = { name: 'Files', dataFlow: 'IN', default: 'files' } as const;
const present = (count: string | number) =>
  `Uploaded 0 files (0 bytes); ${count} files there already.`;

/** A bundle of so many small files, whose contents nobody else has. */
async function bundleOf(count: number, mark: string) {
  const cwd = await testDir();
  const contents = Array.from({ length: count }, (_, i) => [
    `files/${i % 7}/f ${i}`,
    `${mark} ${i}`,
  ]);
  await writeBundle(cwd, templateWith([files]), Object.fromEntries(contents));
  return cwd;
}

/** Every stored hash of the cache, replaced: what it says then is a lie, told convincingly. */
async function poison(cwd: string): Promise<void> {
  const dir = path.join(cwd, '.cache/hashes');
  for (const name of await readdir(dir)) {
    const file = path.join(dir, name);
    const [, body = ''] = (await readFile(file, 'utf8')).split('\n');
    const lie = body.replaceAll(/"[0-9a-f]{64}"/g, `"${'0'.repeat(64)}"`);
    await writeFile(file, `${createHash('sha256').update(lie).digest('hex')}\n${lie}`);
  }
}

describe('files that were submitted before', () => {
  it('are neither read nor sent again', async () => {
    const { gate, karst } = gated();
    const cwd = await bundleOf(1100, 'twice');
    const first = await karst(cwd, ['submit', '.']);
    expect(first.stderr).toContain('Uploaded 1,100 files');
    gate.takeSentBytes();
    const second = await karst(cwd, ['submit', '.']);
    expect(second.stderr).toContain(present('1,100'));
    expect(gate.takeSentBytes()).toBe(0);
    expect(second.code).toBe(0);
  });

  it('are read where the person or the environment says so, and when the cache was wrong', async () => {
    const { karst } = gated();
    const cwd = await bundleOf(3, 'poison');
    expect((await karst(cwd, ['submit', '.'])).code).toBe(0);
    expect((await karst(cwd, ['submit', '.'])).stderr).toContain(present(3));
    await poison(cwd);
    const bypassed = await karst(cwd, ['submit', '.', '--no-hash-cache']);
    expect(bypassed.stderr).toContain(present(3));
    const byEnv = await karst(cwd, ['submit', '.'], { KARST_NO_HASH_CACHE: '1' });
    expect(byEnv.stderr).toContain(present(3));
    const lied = await karst(cwd, ['submit', '.']);
    expect(lied.stderr).toMatch(/files\/\d\/f \d changed while it was being uploaded/);
    expect(lied.code).toBe(1);
  });

  it('are uploaded anew for another studio, which hears nothing of the first', async () => {
    const { farm, karst } = gated();
    const owner = { studio: studioIdSchema.parse('rivals'), role: 'submit' } as const;
    const { key } = await farm.api().call(routes.createKey, { body: owner });
    const cwd = await bundleOf(3, 'both studios');
    const ours = await karst(cwd, ['submit', '.']);
    const rival = { KARST_API_KEY: key, KARST_API_KEY_FILE: '' };
    const theirs = await karst(cwd, ['submit', '.'], rival);
    const said = ({ stderr }: { stderr: string }) => /^Uploaded.*$/m.exec(stderr)?.[0];
    expect(said(theirs)).toBe(said(ours));
    expect(said(theirs)).toContain('Uploaded 3 files');
  });

  it('may be submitted twice at once', async () => {
    const { karst } = gated();
    const cwd = await bundleOf(100, 'at once');
    const both = await Promise.all([karst(cwd, ['submit', '.']), karst(cwd, ['submit', '.'])]);
    expect(both.map(({ code }) => code)).toEqual([0, 0]);
    expect((await karst(cwd, ['submit', '.'])).stderr).toContain(present(100));
  });
});

it('brings names and empty files to the node as they are, and links as what they lead to', async () => {
  const { farm, karst } = gated();
  await farm.startAgent();
  const cwd = await testDir();
  const contents: Record<string, string> = {
    'files/plain': 'plain',
    'files/empty': '',
    'files/with space and "quotes" and \'more\'': 'quotes',
    'files/-rf': 'dash',
    'files/--help/--': 'dashes',
    'files/\u{1f3ac} film \u{1f468}\u200d\u{1f469}\u200d\u{1f467}': 'emoji',
    'files/NFC \u00e9': 'nfc',
    'files/NFD e\u0301': 'nfd',
    'files/日本語/ファイル': 'japanese',
    'files/$(touch x);`id`&*?[a]%41#': 'shell',
  };
  const list =
    'cd "$1" && find . -type f -exec sha256sum -z {} + | sort -z | tr "\\0" "\\n" > "$2/list"';
  const template = templateWith([files, { name: 'Out', dataFlow: 'OUT', default: 'out' }]).replace(
    '"true"',
    `"sh","args":${JSON.stringify(['-c', list, 'list', '{{Param.Files}}', '{{Param.Out}}'])}`,
  );
  await writeBundle(cwd, template, contents);
  await symlink('plain', path.join(cwd, 'files/link'));
  await symlink('日本語', path.join(cwd, 'files/linked dir'));
  const submitted = await karst(cwd, ['submit', '.', '--download', 'got']);
  expect(submitted.code, submitted.stderr).toBe(0);
  const lines = (await readFile(path.join(cwd, 'got/out/list'), 'utf8')).trim().split('\n');
  const sum = (text: string) => createHash('sha256').update(text).digest('hex');
  const expected = {
    ...contents,
    'files/link': 'plain',
    'files/linked dir/ファイル': 'japanese',
  };
  expect(lines.sort()).toEqual(
    Object.entries(expected)
      .map(([name, text]) => `${sum(text)}  ./${name.slice('files/'.length)}`)
      .sort(),
  );
});

describe('a submit', () => {
  it('refuses a file that grows while it is read, by its name', async () => {
    const { karst, farm } = gated();
    const cwd = await testDir();
    await mkdir(path.join(cwd, 'files'), { recursive: true });
    await writeBundle(cwd, templateWith([files]));
    const growing = path.join(cwd, 'files/simulation.log');
    const handle = await open(growing, 'w');
    // Long to read, and nothing on the disk.
    await handle.truncate(300_000_000);
    await handle.close();
    const growth = setInterval(() => appendFileSync(growing, 'x'), 10);
    onTestFinished(() => clearInterval(growth));
    const before = (await farm.api().call(routes.listJobs, {})).items.length;
    const result = await karst(cwd, ['submit', '.']);
    expect(result.stderr).toContain(
      'files/simulation.log changed while it was being read, submit again.',
    );
    expect(result.code).toBe(1);
    expect((await farm.api().call(routes.listJobs, {})).items).toHaveLength(before);
  });

  it.each([-3600, 3600])('does not mind a clock that is %i s off', async (seconds) => {
    const { karst, farm } = gated();
    const cwd = await bundleOf(3, `clock ${seconds}`);
    const skewed = path.join(cwd, 'skewed-clock.mjs');
    await writeFile(
      skewed,
      `const now = Date.now; Date.now = () => now() + ${seconds * 1000};
       const Real = Date;
       globalThis.Date = class extends Real {
         constructor(...args) { super(...(args.length === 0 ? [Date.now()] : args)); }
       };`,
    );
    const result = await karst(cwd, ['submit', '.'], { NODE_OPTIONS: `--import=${skewed}` });
    expect(result.stderr).toContain('Uploaded 3 files');
    const jobId = jobIdSchema.parse(result.stdout.trim());
    expect(await farm.readJob(jobId)).toMatchObject({ id: jobId });
  });
});
