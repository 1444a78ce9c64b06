import { createHash, randomBytes } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { startAgent, startOrchestrator } from './support/farm.ts';
import { shell } from './support/steps.ts';
import type { LeaseOptions } from './support/test-lease.ts';

const sha256 = (content: string | Buffer) => createHash('sha256').update(content).digest('hex');

/** A job with one output directory, `out`, that the command names. */
const writing = (text: string): LeaseOptions => ({
  step: shell(`cd '{{Param.Out}}' && ${text}`),
  parameters: { Out: { type: 'PATH', value: 'out', dataFlow: 'OUT', objectType: 'DIRECTORY' } },
  locations: { Out: 'out' },
});

describe('outputs', () => {
  it('are the files a task wrote, new or changed, each with its own task', async () => {
    const orchestrator = await startOrchestrator();
    await startAgent(orchestrator.url);
    const text =
      'mkdir -p deep/er && echo {{Task.Param.Index}} > deep/er/$KARST_TASK.txt && echo same > shared && ln -sf shared link; mkfifo pipe$KARST_TASK';
    const lease = orchestrator.lease({ ...writing(text), last: 1 });
    const results = await orchestrator.finished(lease);
    expect(results).toMatchObject([
      { outcome: 'succeeded', first: 0, last: 0 },
      { outcome: 'succeeded', first: 1, last: 1 },
    ]);
    const paths = results.map((one) =>
      'outputs' in one ? one.outputs?.map(({ path }) => path) : [],
    );
    expect(paths).toEqual([
      ['out/deep/er/0.txt', 'out/shared'],
      ['out/deep/er/1.txt', 'out/shared'],
    ]);
    expect(results[1]).toMatchObject({
      outputs: [{ sha256: sha256('1\n'), sizeBytes: 2 }, { sha256: sha256('same\n') }],
    });
    expect(orchestrator.object(lease, 1, 'output', 'out/deep/er/1.txt')?.toString()).toBe('1\n');
  });

  it('that are missing fail a task that exits with 0', async () => {
    const orchestrator = await startOrchestrator();
    await startAgent(orchestrator.url);
    const none = orchestrator.lease(writing('true'));
    expect(await orchestrator.finished(none)).toMatchObject([
      { outcome: 'failed', kind: 'outputs', message: 'wrote no output in out' },
    ]);
    const file = orchestrator.lease({
      step: shell('echo made, but elsewhere > "{{Param.Film}}.part"'),
      parameters: { Film: { type: 'PATH', value: 'a.mp4', dataFlow: 'OUT', objectType: 'FILE' } },
      locations: { Film: 'films/a.mp4' },
    });
    expect(await orchestrator.finished(file)).toMatchObject([
      { kind: 'outputs', message: 'wrote no output films/a.mp4 (parameter Film)' },
    ]);
  });

  it('may not leave their directory through a symbolic link', async () => {
    const orchestrator = await startOrchestrator();
    await startAgent(orchestrator.url);
    const link = orchestrator.lease(writing('echo x > frame && ln -s /etc/passwd stolen'));
    expect(await orchestrator.finished(link)).toMatchObject([
      { kind: 'outputs', message: expect.stringContaining('leaves its output directory') },
    ]);
    const dir = orchestrator.lease(writing('cd .. && rmdir out && ln -s /etc out'));
    expect(await orchestrator.finished(dir)).toMatchObject([
      { outcome: 'failed', kind: 'outputs' },
    ]);
    expect(
      [...orchestrator.storage.objects.keys()].filter((key) => key.includes('/output/')),
    ).toEqual([]);
  });

  it('of a failed task are not uploaded, its log is', async () => {
    const orchestrator = await startOrchestrator();
    await startAgent(orchestrator.url);
    const lease = orchestrator.lease(writing('echo half > frame; echo why; exit 1'));
    expect(await orchestrator.finished(lease)).toMatchObject([
      { kind: 'exit', log: { sizeBytes: 4 } },
    ]);
    expect(
      [...orchestrator.storage.objects.keys()].filter((key) => key.includes('/output/')),
    ).toEqual([]);
  });

  it('above the threshold travel in verified parts, with flat memory', async () => {
    const orchestrator = await startOrchestrator();
    const agent = await startAgent(orchestrator.url);
    const lease = orchestrator.lease(
      writing('head -c 150000000 /dev/zero | tr "\\0" "k" > big && printf end >> big'),
    );
    expect(await orchestrator.finished(lease)).toMatchObject([
      { outcome: 'succeeded', outputs: [{ path: 'out/big', sizeBytes: 150_000_003 }] },
    ]);
    const [result] = lease.results;
    const stored = orchestrator.object(lease, 0, 'output', 'out/big') ?? Buffer.alloc(0);
    const reported = result !== undefined && 'outputs' in result ? result.outputs?.[0] : undefined;
    expect(sha256(stored)).toBe(reported?.sha256);
    expect(orchestrator.requests.filter((one) => one.includes('parts%2F'))).toHaveLength(3);
    const status = await readFile(`/proc/${agent.pid}/status`, 'utf8');
    expect(Number(/VmHWM:\s+(\d+)/.exec(status)?.[1]) / 1024).toBeLessThan(200);
  });

  it.each([
    [503, 'goes on at the part that failed', 1],
    [403, 'gets new links, as the old ones have run out', 2],
  ])('in parts: after %i the upload %s', async (status, _, linksAskedFor) => {
    const orchestrator = await startOrchestrator();
    await startAgent(orchestrator.url);
    let refusals = 0;
    orchestrator.storage.refuses = (key) =>
      key.endsWith('/2') && refusals++ === 0 ? status : undefined;
    const lease = orchestrator.lease(writing('head -c 140000000 /dev/zero > big'));
    expect(await orchestrator.finished(lease)).toMatchObject([
      { outcome: 'succeeded', outputs: [{ path: 'out/big', sizeBytes: 140_000_000 }] },
    ]);
    expect(orchestrator.object(lease, 0, 'output', 'out/big')?.length).toBe(140_000_000);
    const asked = orchestrator.requests.filter((one) => /^POST .*\/uploads$/.test(one));
    expect(asked).toHaveLength(linksAskedFor);
    const puts = (part: number) =>
      orchestrator.requests.filter((one) => one.endsWith(`%2F${part}`)).length;
    expect([puts(0), puts(1), puts(2)]).toEqual([linksAskedFor, linksAskedFor, 2]);
  });

  it('wait for a storage that is away', async () => {
    const orchestrator = await startOrchestrator();
    await startAgent(orchestrator.url);
    orchestrator.storage.status = 503;
    const lease = orchestrator.lease(writing('echo frame > frame'));
    const puts = () => orchestrator.requests.filter((one) => one.startsWith('PUT ')).length;
    await orchestrator.changes.until(() => puts() > 2);
    orchestrator.storage.status = undefined;
    expect(await orchestrator.finished(lease)).toMatchObject([{ outcome: 'succeeded' }]);
  });
});

describe('inputs', () => {
  it('stand in the file tree, are fetched once and may be changed by a task', async () => {
    const orchestrator = await startOrchestrator();
    const agent = await startAgent(orchestrator.url);
    const scene = orchestrator.asset(Buffer.from('a scene'));
    const tool = orchestrator.asset(Buffer.from('#!/bin/sh\necho tool says "$@"\n'));
    const options: LeaseOptions = {
      step: shell(
        'cat "{{Param.Scene}}/main.scene"; "{{Param.Scene}}/bin/tool" hello; echo changed >> "{{Param.Scene}}/main.scene"',
      ),
      parameters: { Scene: { type: 'PATH', value: 'x', dataFlow: 'IN', objectType: 'DIRECTORY' } },
      locations: { Scene: 'show/scene' },
      inputs: [
        { path: 'show/scene/main.scene', ...scene, executable: false },
        { path: 'show/scene/copy.scene', ...scene, executable: false },
        { path: 'show/scene/bin/tool', ...tool, executable: true },
      ],
    };
    for (const lease of [orchestrator.lease(options), orchestrator.lease(options)]) {
      expect(await orchestrator.finished(lease)).toMatchObject([{ outcome: 'succeeded' }]);
      expect(orchestrator.object(lease, 0, 'log', 'task.log')?.toString()).toBe(
        'a scenetool says hello\n',
      );
    }
    expect(orchestrator.requests.filter((one) => one.includes('/storage/assets'))).toHaveLength(2);
    const cached = (await readdir(join(agent.dir, 'cache'))).filter((name) =>
      /^[0-9a-f]{2}$/.test(name),
    );
    expect(cached.sort()).toEqual([scene.sha256.slice(0, 2), tool.sha256.slice(0, 2)].sort());
  });

  it('that arrive with other content fail the tasks as the fault of the farm', async () => {
    const orchestrator = await startOrchestrator();
    await startAgent(orchestrator.url);
    const scene = orchestrator.asset(Buffer.from('a scene'));
    orchestrator.storage.objects.set(`assets/${scene.sha256}`, Buffer.from('a scare'));
    const lease = orchestrator.lease({
      step: shell('true'),
      inputs: [{ path: 'a.scene', ...scene, executable: false }],
      last: 1,
    });
    expect(await orchestrator.finished(lease)).toMatchObject([
      {
        first: 0,
        kind: 'inputs',
        message: expect.stringContaining('a.scene arrived with SHA-256'),
      },
      { first: 1, kind: 'inputs' },
    ]);
  });

  it('least recently used leave a cache that is full', async () => {
    const orchestrator = await startOrchestrator();
    const agent = await startAgent(orchestrator.url, { KARST_CACHE_MIB: '2' });
    const assets = [1, 2, 3].map(() => orchestrator.asset(randomBytes(1024 * 1024)));
    for (const asset of assets) {
      const lease = orchestrator.lease({
        step: shell('test -s a.bin -o -s files/a.bin'),
        inputs: [{ path: 'a.bin', ...asset, executable: false }],
      });
      expect(await orchestrator.finished(lease)).toMatchObject([{ outcome: 'succeeded' }]);
    }
    const cached = (await readdir(join(agent.dir, 'cache'), { recursive: true })).filter(
      (name) => name.length > 60,
    );
    expect(cached.map((name) => name.slice(3)).sort()).toEqual(
      assets
        .slice(1)
        .map((asset) => asset.sha256)
        .sort(),
    );
  });
});
