import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { runCli, testDir } from './support/run-cli.ts';

const from = (url: string) => fileURLToPath(new URL(url, import.meta.url));
const pods = from('../simulator/traces/openb_pod_list.csv');
const nodes = from('../simulator/traces/openb_node_list.csv');
const swf = from('../simulator/traces/tiny.swf');
const farm = from('../../examples/simulate/farm.yaml');
const film = from('../../examples/simulate/film.yaml');

describe('karst simulate', () => {
  it('prints a table of the policies, and writes plots', async () => {
    const cwd = await testDir();
    const small = (await readFile(film, 'utf8')).replace('tasks: 40000', 'tasks: 3000');
    await writeFile(path.join(cwd, 'film.yaml'), small);
    const done = await runCli(['simulate', farm, 'film.yaml', '--plots', 'out'], { cwd });
    expect(done.code).toBe(0);
    expect(done.stdout).toMatch(/^ +karst +fifo +priority +sjf$/m);
    expect(done.stdout).toMatch(/^task wait p95( +\S+){4}/m);
    expect(done.stdout).toMatch(/^aurora +3/m);
    for (const name of ['utilisation', 'waits', 'shares']) {
      expect(await readFile(path.join(cwd, 'out', `${name}.svg`), 'utf8')).toContain('</svg>');
    }
  });

  it('prints the report alone with -o json, the same for the same seed', async () => {
    const cwd = await testDir();
    const args = ['simulate', nodes, pods, '--policies', 'karst,fifo', '-o', 'json', '--seed', '3'];
    const [one, again] = [await runCli(args, { cwd }), await runCli(args, { cwd })];
    expect(one.code).toBe(0);
    expect(again.stdout).toBe(one.stdout);
    const report = JSON.parse(one.stdout);
    expect(Object.keys(report.policies)).toEqual(['karst', 'fifo']);
    expect(report.trace).toMatchObject({ kind: 'alibaba-2023', jobs: 3 });
    expect(report.policies.karst.tasks.succeeded).toBe(3);
    await writeFile(path.join(cwd, 'log.swf.gz'), gzipSync(await readFile(swf)));
    const packed = await runCli(['simulate', farm, 'log.swf.gz', '-o', 'json'], { cwd });
    expect(JSON.parse(packed.stdout).trace).toMatchObject({ kind: 'swf', jobs: 2 });
  });

  it('exits with 1 and shows the place of what is wrong in a file', async () => {
    const cwd = await testDir();
    await writeFile(path.join(cwd, 'farm.yaml'), 'nodes:\n  - {name: a, count: none}\n');
    await writeFile(path.join(cwd, 'bad.swf'), '1 2 3\n');
    const bad = await runCli(['simulate', 'farm.yaml', film], { cwd });
    expect(bad.code).toBe(1);
    expect(bad.stdout).toBe('');
    expect(bad.stderr).toContain(
      'farm.yaml:2:22 nodes[0].count: expected a number, found the text "none"\n',
    );
    expect(bad.stderr).toContain(
      '\n     2 |   - {name: a, count: none}\n       |                      ^\n',
    );
    const line = await runCli(['simulate', farm, 'bad.swf'], { cwd });
    expect([line.code, line.stderr]).toEqual([1, 'bad.swf:1: expected 18 fields, found 3\n']);
    const none = await runCli(['simulate', farm, 'none.swf'], { cwd });
    expect(none.code).toBe(1);
    expect(none.stderr).toContain("none.swf: can't be read");
    const noFarm = await runCli(['simulate', 'none.yaml', film], { cwd });
    expect([noFarm.code, noFarm.stderr]).toEqual([1, 'none.yaml: does not exist\n']);
  });

  it('exits with 3 on wrong usage', async () => {
    const cwd = await testDir();
    const wrong = [
      { args: ['simulate', farm], says: "missing required argument 'trace'" },
      { args: ['simulate', farm, 'trace.txt'], says: 'Expected a trace: .yaml, .csv or .swf' },
      { args: ['simulate', swf, film], says: 'Expected FARM.yaml or a node list' },
      { args: ['simulate', farm, film, '--policies', 'karst,lottery'], says: 'Expected some of' },
      { args: ['simulate', farm, film, '--policies', 'karst,karst'], says: 'once each' },
      { args: ['simulate', farm, film, '--seed', '-1'], says: 'whole number from 0' },
      { args: ['simulate', farm, film, '-o', 'xml'], says: 'Allowed choices are table, json' },
    ];
    for (const { args, says } of wrong) {
      const done = await runCli(args, { cwd });
      expect(done.stderr).toContain(says);
      expect([done.code, done.stdout]).toEqual([3, '']);
    }
  });
});
