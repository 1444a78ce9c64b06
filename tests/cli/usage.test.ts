import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { FixtureServer, JOB_ID, KEY, sendProblem } from './support/fixture-server.ts';
import { runCli, testDir } from './support/run-cli.ts';

describe('the command line', () => {
  it('exits with 3 and says what is missing, unknown or out of bounds', async () => {
    const cwd = await testDir();
    const wrong = [
      { args: ['submit'], says: "missing required argument 'bundle'" },
      { args: ['frobnicate'], says: "unknown command 'frobnicate'" },
      { args: ['get', 'jobs', '--colour'], says: "unknown option '--colour'" },
      { args: ['submit', '.', '--priority', '101'], says: 'whole number from 0 to 100' },
      { args: ['submit', '.', '-p', 'nameless'], says: 'Expected NAME=VALUE.' },
      { args: ['submit', '.', '-p', 'A=1', '-p', 'A=2'], says: 'A is given twice.' },
      { args: ['wait', JOB_ID, '--timeout', 'soon'], says: 'Expected a duration' },
      { args: ['retry', JOB_ID], says: 'Say which tasks to retry: --failed.' },
    ];
    for (const { args, says } of wrong) {
      const result = await runCli(args, { cwd });
      expect(result.stderr).toContain(says);
      expect(result.code).toBe(3);
      expect(result.stdout).toBe('');
    }
  });

  it('shows an example with the help of every command', async () => {
    const cwd = await testDir();
    const { stdout } = await runCli(['--help'], { cwd });
    const names = [...stdout.matchAll(/^ {2}([a-z]+) /gm)].map((match) => match[1] ?? '');
    expect(names).toEqual(expect.arrayContaining(['up', 'submit', 'logs', 'requeue', 'whoami']));
    const groups = new Map([
      ['get', 'tasks'],
      ['node', 'drain'],
      ['key', 'create'],
      ['share', 'set'],
      ['limit', 'set'],
      ['pool', 'set'],
      ['storage', 'set'],
    ]);
    const commands = names.filter((name) => name !== 'help');
    const lines = commands.map((name) =>
      [name, groups.get(name), '--help'].filter((w) => w !== undefined),
    );
    const helps = await Promise.all(lines.map((line) => runCli(line, { cwd })));
    for (const [at, help] of helps.entries()) {
      expect(help.stdout, lines[at]?.join(' ')).toContain('Example:');
      expect(help.code).toBe(0);
    }
  });
});

describe('the connection', () => {
  it('says how to get a farm when there is none', async () => {
    const result = await runCli(['whoami'], { cwd: await testDir() });
    expect(result.stderr).toContain('No farm to talk to.');
    expect(result.stderr).toContain('karst up');
    expect(result.code).toBe(3);
  });

  it('says in one line that nobody answers', async () => {
    const env = { KARST_URL: 'http://127.0.0.1:9', KARST_API_KEY: KEY };
    const result = await runCli(['whoami'], { cwd: await testDir(), env });
    expect(result.stderr).toBe(
      "karst: The orchestrator at http://127.0.0.1:9 can't be reached: connection refused.\n",
    );
    expect(result.code).toBe(1);
  });

  it('sends no key in clear text to another machine unless told to', async () => {
    const cwd = await testDir();
    const env = { KARST_URL: 'http://farm.example.invalid', KARST_API_KEY: KEY };
    const refused = await runCli(['whoami'], { cwd, env });
    expect(refused.stderr).toContain('not encrypted');
    expect(refused.code).toBe(3);
    const told = await runCli(['whoami', '--insecure'], { cwd, env });
    expect(told.stderr).toContain("can't be reached");
  });

  it('exits with 4 without a key, with an unreadable one, and when it is refused', async () => {
    const cwd = await testDir();
    const server = await FixtureServer.start();
    server.answers.set('GET /v1/whoami', (_, response) => sendProblem(response, 'unauthenticated'));
    const none = await runCli(['whoami', '--url', server.url], { cwd });
    expect(none.stderr).toContain('No API key.');
    const unreadable = await runCli(['whoami', '--url', server.url, '--key-file', 'none'], { cwd });
    expect(unreadable.stderr).toContain("can't be read (ENOENT)");
    const refused = await runCli(['whoami'], { cwd, env: server.env });
    expect(refused.stderr).toBe('karst: Authentication is required\n');
    expect([none.code, unreadable.code, refused.code]).toEqual([4, 4, 4]);
    expect(refused.stderr + none.stderr).not.toContain(KEY);
  });

  it('finds the farm of an enclosing directory, and gives its key to no other', async () => {
    const cwd = await testDir();
    const server = await FixtureServer.start();
    const other = await FixtureServer.start();
    await mkdir(path.join(cwd, '.karst'));
    await mkdir(path.join(cwd, 'deep', 'down'), { recursive: true });
    const farm = { url: server.url, port: 7420, redisPort: 1, s3Port: 2 };
    await writeFile(path.join(cwd, '.karst', 'farm.json'), JSON.stringify(farm));
    await writeFile(path.join(cwd, '.karst', 'admin.key'), `${KEY}\n`);
    const deep = path.join(cwd, 'deep', 'down');
    const found = await runCli(['get', 'job', JOB_ID, '-o', 'name'], { cwd: deep });
    expect(found.stdout).toBe(`${JOB_ID}\n`);
    expect(server.requests[0]?.headers.authorization).toBe(`Bearer ${KEY}`);
    const elsewhere = await runCli(['get', 'job', JOB_ID, '--url', other.url], { cwd: deep });
    expect(elsewhere.code).toBe(4);
    expect(other.requests).toEqual([]);
  });

  it('prints data as JSON on stdout and nothing else there', async () => {
    const server = await FixtureServer.start();
    const result = await runCli(['get', 'job', JOB_ID, '-o', 'json'], {
      cwd: await testDir(),
      env: server.env,
    });
    expect(JSON.parse(result.stdout)).toEqual(server.job);
    expect(result.stderr).toBe('');
  });
});
