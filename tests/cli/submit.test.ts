import { chmod, mkdir, rm, symlink, truncate, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { templateWith, writeBundle } from './support/bundle.ts';
import { FixtureServer, JOB_ID, sendProblem, sendS3Error } from './support/fixture-server.ts';
import { runCli, startCli, testDir } from './support/run-cli.ts';

const scene = {
  name: 'Scene',
  objectType: 'FILE',
  dataFlow: 'IN',
  default: 'scene.blend',
} as const;
const textures = { name: 'Textures', dataFlow: 'IN', default: 'textures' } as const;

async function start() {
  const cwd = await testDir();
  const server = await FixtureServer.start();
  const submit = (...args: string[]) => runCli(['submit', ...args], { cwd, env: server.env });
  const submission = () => {
    const [post] = server.seen('POST', '/v1/jobs');
    return post === undefined ? undefined : JSON.parse(post.body.toString());
  };
  return { cwd, server, submit, submission };
}

describe('karst submit', () => {
  it('uploads a bundle’s files once each and submits their manifest', async () => {
    const { cwd, server, submit, submission } = await start();
    const template = templateWith([
      scene,
      textures,
      { name: 'Out', dataFlow: 'OUT', default: 'r/out' },
    ]);
    await writeBundle(cwd, template, {
      'scene.blend': 'a scene',
      'textures/a b, ü*.png': 'wood',
      'textures/deep/same.png': 'wood',
      'textures/deep/empty': '',
    });
    const result = await submit('.');
    expect(result.stderr).toContain('Uploaded 3 files (11 bytes); 0 files there already.');
    expect(result.stdout).toBe(`${JOB_ID}\n`);
    expect(result.code).toBe(0);
    expect(submission()).toMatchObject({
      template,
      parameters: {},
      locations: { Scene: 'scene.blend', Textures: 'textures', Out: 'r/out' },
    });
    const paths = submission().inputs.map((input: { path: string }) => input.path);
    expect(paths).toEqual([
      'scene.blend',
      'textures/a b, ü*.png',
      'textures/deep/empty',
      'textures/deep/same.png',
    ]);
    expect([...server.assets.values()].map(String).sort()).toEqual(['', 'a scene', 'wood']);
    const put = server.requests.find(({ method }) => method === 'PUT');
    expect(put?.headers['x-given']).toBe('yes');

    const again = await submit('.');
    expect(again.stderr).toContain('Uploaded 0 files (0 bytes); 3 files there already.');
  });

  it('places given paths under their own names, and apart where names collide', async () => {
    const { cwd, submit, submission } = await start();
    const other = { name: 'Other', objectType: 'FILE', dataFlow: 'IN' } as const;
    await writeBundle(path.join(cwd, 'bundle'), templateWith([scene, other]));
    await mkdir(path.join(cwd, 'x'));
    await writeFile(path.join(cwd, 'shot.blend'), 'one');
    await writeFile(path.join(cwd, 'x', 'shot.blend'), 'two');
    const result = await submit('bundle', '-p', 'Scene=shot.blend', '-p', 'Other=x/shot.blend');
    expect(result.code).toBe(0);
    expect(submission()).toMatchObject({
      parameters: { Scene: 'shot.blend', Other: 'x/shot.blend' },
      locations: { Scene: 'shot.blend', Other: 'Other/shot.blend' },
    });
  });

  it('keeps the executable bit and follows links that stay inside', async () => {
    const { cwd, submit, submission } = await start();
    await writeBundle(cwd, templateWith([textures]), { 'textures/run.sh': '#!/bin/sh\n' });
    await symlink('run.sh', path.join(cwd, 'textures', 'link.sh'));
    await chmod(path.join(cwd, 'textures', 'run.sh'), 0o755);
    expect((await submit('.')).code).toBe(0);
    expect(submission().inputs).toMatchObject([
      { path: 'textures/link.sh', executable: true },
      { path: 'textures/run.sh', executable: true },
    ]);
  });

  it('sends parameters, project and policy as given', async () => {
    const { cwd, submit, submission } = await start();
    await writeBundle(cwd, templateWith());
    const flags = [
      '--project',
      'film',
      '--priority',
      '80',
      '--max-retries',
      '1',
      '--max-failed',
      '0',
    ];
    expect((await submit('template.yaml', ...flags)).code).toBe(0);
    expect(submission()).toMatchObject({
      project: 'film',
      policy: { priority: 80, maxRetriesPerTask: 1, maxFailedTasks: 0 },
    });
    expect(submission()).not.toHaveProperty('inputs');
  });

  it('asks for a thousand files in a call, and makes no call for a single one', async () => {
    const { cwd, server, submit, submission } = await start();
    const names = Array.from({ length: 1001 }, (_, i) => `textures/${i}.png`);
    const files = Object.fromEntries(names.map((name) => [name, name]));
    await writeBundle(cwd, templateWith([textures]), files);
    const result = await submit('.');
    expect(result.stderr).toContain('Uploaded 1,001 files');
    expect(server.seen('POST', '/v1/assets/uploads')).toHaveLength(2);
    const calls = server.requests.filter(({ path: place }) => place.startsWith('/v1/'));
    // Two that ask, how much more may be stored, and the job.
    expect(calls).toHaveLength(4);
    expect(submission().inputs).toHaveLength(1001);
    expect(server.assets.size).toBe(1001);
  });

  it('makes one job of a submission whose answer got lost', async () => {
    const { cwd, server, submit } = await start();
    await writeBundle(cwd, templateWith());
    server.answers.set('POST /v1/jobs', (_, response) => {
      server.answers.delete('POST /v1/jobs');
      response.destroy();
    });
    expect((await submit('.')).code).toBe(0);
    const keys = server.seen('POST', '/v1/jobs').map(({ headers }) => headers['idempotency-key']);
    expect(keys).toHaveLength(2);
    expect(keys[0]).toMatch(/^[0-9a-f-]{36}$/);
    expect(keys[1]).toBe(keys[0]);
  });
});

describe('karst submit refuses, before anything is sent', () => {
  const nothingSubmitted = (server: FixtureServer) => {
    expect(server.seen('POST', '/v1/jobs')).toEqual([]);
  };

  it('a template with mistakes, each with its line and column', async () => {
    const { cwd, server, submit } = await start();
    const text = templateWith().replace('"true"', '5').replaceAll(',"', ',\n"');
    await writeBundle(cwd, text);
    const result = await submit('.');
    expect(result.stderr).toMatch(
      /template\.yaml:\d+:\d+ steps\[0\]\.script\.actions\.onRun\.command: expected .* found the integer 5/,
    );
    expect(result.code).toBe(1);
    expect(server.requests).toEqual([]);
  });

  it('a file that is not YAML', async () => {
    const { cwd, submit } = await start();
    await writeBundle(cwd, 'a: [1\nb: }');
    const result = await submit('.');
    expect(result.stderr).toMatch(/template\.yaml:\d+:\d+/);
    expect(result.code).toBe(1);
  });

  it('parameters the template does not have', async () => {
    const { cwd, server, submit } = await start();
    await writeBundle(cwd, templateWith([scene]), { 'scene.blend': 'x' });
    const result = await submit('.', '-p', 'Scnee=x');
    expect(result.stderr).toContain('parameters.Scnee: the template has no parameter "Scnee"');
    expect(result.code).toBe(1);
    expect(server.requests).toEqual([]);
  });

  it('a missing input file, and one of the wrong kind', async () => {
    const { cwd, server, submit } = await start();
    await writeBundle(cwd, templateWith([scene]));
    const missing = await submit('.');
    expect(missing.stderr).toContain(`Parameter Scene: ${cwd}/scene.blend does not exist.`);
    await mkdir(path.join(cwd, 'scene.blend'));
    const directory = await submit('.');
    expect(directory.stderr).toContain('is a directory, and the template expects a file.');
    expect([missing.code, directory.code]).toEqual([1, 1]);
    nothingSubmitted(server);
  });

  it('symbolic links that leave, loop or lead nowhere', async () => {
    const { cwd, server, submit } = await start();
    const root = path.join(cwd, 'bundle');
    await writeBundle(root, templateWith([textures]), { 'textures/a': 'x' });
    await writeFile(path.join(cwd, 'secret'), 'secret');
    const link = path.join(root, 'textures', 'link');
    const cases = [
      { to: '../../secret', says: 'is a symbolic link that leads out of' },
      { to: '/etc', says: 'is a symbolic link that leads out of' },
      { to: '..', says: 'is a symbolic link to a directory it lies in' },
      { to: 'gone', says: 'is a symbolic link to nothing' },
    ];
    for (const { to, says } of cases) {
      await rm(link, { force: true });
      await symlink(to, link);
      const result = await submit('bundle');
      expect(result.stderr).toContain(says);
      expect(result.code).toBe(1);
    }
    expect(server.requests).toEqual([]);
  });

  it('a default that is a link out of the bundle', async () => {
    const { cwd, server, submit } = await start();
    const root = path.join(cwd, 'bundle');
    await writeBundle(root, templateWith([scene]));
    await writeFile(path.join(cwd, 'secret'), 'secret');
    await symlink('../secret', path.join(root, 'scene.blend'));
    const result = await submit('bundle');
    expect(result.stderr).toContain('leads out of the bundle');
    expect(result.code).toBe(1);
    nothingSubmitted(server);
  });

  it('names that no file tree can hold', async () => {
    const { cwd, submit } = await start();
    await writeBundle(cwd, templateWith([textures]), { 'textures/back\\slash': 'x' });
    const result = await submit('.');
    expect(result.stderr).toContain('without control characters or backslashes');
    expect(result.code).toBe(1);
  });

  it('bundle files that mean something and are not supported', async () => {
    const { cwd, submit } = await start();
    await writeBundle(cwd, templateWith(), { 'hooks.yaml': '{}', 'parameter_values.yml': '{}' });
    const result = await submit('.');
    expect(result.stderr).toContain('hooks.yaml: hooks, programs that rewrite a bundle');
    expect(result.stderr).toContain('parameter_values.yml: expected parameter_values.yaml');
    expect(result.code).toBe(1);
  });
});

describe('an upload that goes wrong', () => {
  it('ends with the file’s name when the file changed', async () => {
    const { cwd, server, submit } = await start();
    await writeBundle(cwd, templateWith([scene]), { 'scene.blend': 'before' });
    const usual = server.url;
    server.answers.set('POST /v1/assets/uploads', async (request, response) => {
      await writeFile(path.join(cwd, 'scene.blend'), 'after!');
      const { files } = JSON.parse(request.body.toString());
      const upload = { kind: 'single', url: `${usual}/storage/${files[0].sha256}`, headers: {} };
      response.end(JSON.stringify({ uploads: [{ sha256: files[0].sha256, upload }] }));
    });
    const result = await submit('.');
    expect(result.stderr).toContain(
      'scene.blend changed while it was being uploaded, submit again.',
    );
    expect(result.code).toBe(1);
    expect(server.seen('POST', '/v1/jobs')).toEqual([]);
  });

  it('notices a change that keeps size and time', async () => {
    const { cwd, server, submit } = await start();
    const file = path.join(cwd, 'scene.blend');
    await writeBundle(cwd, templateWith([scene]), { 'scene.blend': 'before' });
    await utimes(file, 1_700_000_000, 1_700_000_000);
    server.answers.set('POST /v1/assets/uploads', async (request, response) => {
      await writeFile(file, 'after!');
      await utimes(file, 1_700_000_000, 1_700_000_000);
      const { files } = JSON.parse(request.body.toString());
      const url = `${server.url}/storage/${files[0].sha256}`;
      const upload = { kind: 'single', url, headers: {} };
      response.end(JSON.stringify({ uploads: [{ sha256: files[0].sha256, upload }] }));
    });
    const result = await submit('.');
    expect(result.stderr).toContain('changed while it was being uploaded');
    expect(server.assets.size).toBe(0);
    expect(server.seen('POST', '/v1/jobs')).toEqual([]);
  });

  it('tells storage’s reason when it refuses the content', async () => {
    const { cwd, server, submit } = await start();
    await writeBundle(cwd, templateWith([scene]), { 'scene.blend': 'x' });
    const sha = '2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881';
    server.answers.set(`PUT /storage/${sha}`, (_, response) =>
      sendS3Error(response, 400, 'BadDigest', 'The Content-MD5 did not match.'),
    );
    const result = await submit('.');
    expect(result.stderr).toContain('Storage refused');
    expect(result.stderr).toContain('BadDigest: The Content-MD5 did not match. (400)');
    expect(result.code).toBe(1);
    expect(server.seen('POST', '/v1/jobs')).toEqual([]);
  });

  it('is repeated when storage is busy or the connection breaks', async () => {
    const { cwd, server, submit } = await start();
    await writeBundle(cwd, templateWith([scene]), { 'scene.blend': 'x' });
    const sha = '2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881';
    const place = `PUT /storage/${sha}`;
    server.answers.set(place, (_, busy) => {
      server.answers.set(place, (_again, broken) => {
        server.answers.set(place, (_third, slow) => {
          server.answers.delete(place);
          sendS3Error(slow, 400, 'RequestTimeout', '');
        });
        broken.destroy();
      });
      sendS3Error(busy, 503, 'SlowDown', '');
    });
    expect((await submit('.')).code).toBe(0);
    expect(server.assets.has(sha)).toBe(true);
  });

  it('stops on Ctrl-C and submits nothing', async () => {
    const { cwd, server } = await start();
    await writeBundle(cwd, templateWith([scene]), { 'scene.blend': 'x' });
    const sha = '2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881';
    const reached = Promise.withResolvers<void>();
    server.answers.set(`PUT /storage/${sha}`, () => reached.resolve());
    const cli = startCli(['submit', '.'], { cwd, env: server.env });
    await reached.promise;
    cli.signal('SIGINT');
    const result = await cli.result();
    expect(result.stderr).toBe('karst: Interrupted. No job was submitted.\n');
    expect(result.code).toBe(130);
    expect(server.seen('POST', '/v1/jobs')).toEqual([]);
  });

  it('stops on Ctrl-C in the midst of a large file, having told how far it is', async () => {
    const { cwd, server } = await start();
    await writeBundle(cwd, templateWith([scene]), { 'scene.blend': '' });
    // A hole: it takes a minute to read, and nothing on the disk.
    await truncate(path.join(cwd, 'scene.blend'), 100_000_000_000);
    const cli = startCli(['submit', '.'], { cwd, env: server.env });
    await cli.says(' left\n');
    cli.signal('SIGINT');
    const result = await cli.result();
    expect(result.stderr).toMatch(/^Reading 0\/1 files, .* of 93\.1 GB, .*\/s, .* left\n/);
    expect(result.stderr).toContain('karst: Interrupted. No job was submitted.\n');
    expect(result.code).toBe(130);
    expect(server.requests).toEqual([]);
  });

  it('prints the orchestrator’s refusal with every field', async () => {
    const { cwd, server, submit } = await start();
    await writeBundle(cwd, templateWith());
    server.answers.set('POST /v1/jobs', (_, response) =>
      sendProblem(response, 'invalid_template', {
        detail: 'two mistakes',
        errors: [
          { path: ['template', 'steps', 0, 'script'], message: 'found 1', line: 12, column: 7 },
          { path: ['policy', 'priority'], message: 'too high' },
        ],
      }),
    );
    const result = await submit('.');
    expect(result.stderr).toBe(
      'karst: The job template is not valid: two mistakes\n' +
        '  template.yaml:12:7 steps[0].script: found 1\n' +
        '  policy.priority: too high\n',
    );
    expect(result.code).toBe(1);
  });
});
