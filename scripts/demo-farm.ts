import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync } from 'node:fs';
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';
import { z } from 'zod';

const readySchema = z.object({
  event: z.literal('ready'),
  url: z.url(),
  keyFile: z.string(),
  s3: z.object({ endpoint: z.url(), region: z.string(), bucket: z.string() }),
});
const secretsSchema = z.object({ s3AccessKey: z.string(), s3SecretKey: z.string() });

export interface DemoFarmOptions {
  rootDir: string;
  agents: string;
  /** The farm outlives this process. */
  keep: boolean;
  say: (line: string) => void;
}

/** A `karst up` of the demo's own, in a data directory of its own. */
export interface DemoFarm {
  dir: string;
  /** Ctrl-C was pressed. */
  readonly interrupted: boolean;
  /** Runs a karst command against the farm; its chatter is shown unless `quiet`, its data answered. */
  karst(args: readonly string[], options?: { quiet: boolean }): Promise<string>;
  /** Keys below the studio's view of a job, as any S3 client lists them. */
  viewKeys(jobId: string): Promise<string[]>;
  showLogs(): Promise<void>;
  tellHowToGoOn(): void;
  /** Ends every process and removes the data. */
  stop(): Promise<void>;
}

export async function demoFarm(options: DemoFarmOptions): Promise<DemoFarm> {
  const { rootDir, keep, say } = options;
  const dir = path.join(rootDir, '.karst', `demo-${process.pid}`);
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const cli = path.join(rootDir, 'cli', 'main.ts');
  const logFile = path.join(dir, 'up.log');
  const up = spawn(
    process.execPath,
    [cli, 'up', '--dir', dir, '--port', '0', '--agents', options.agents, '--json'],
    {
      env: { ...process.env, KARST_EXIT_WITH_PARENT: keep ? '0' : '1' },
      stdio: [keep ? 'ignore' : 'pipe', 'pipe', openSync(logFile, 'a', 0o600)],
      // Ctrl-C is for us to pass on.
      detached: true,
    },
  );
  let interrupted = false;
  let running: ChildProcess | undefined;
  const onInterrupt = () => {
    interrupted = true;
    running?.kill('SIGKILL');
    up.kill('SIGINT');
    up.kill('SIGINT');
  };
  process.on('SIGINT', onInterrupt).on('SIGTERM', onInterrupt);

  const stop = async () => {
    const isRunning = () => up.exitCode === null && up.signalCode === null;
    if (isRunning()) {
      const ended = once(up, 'exit');
      up.kill('SIGINT');
      await ended;
    }
    await rm(dir, { recursive: true, force: true });
  };
  const showLogs = () => tellLogs(dir, say);
  const ready = await untilReady(up).catch(async (error: unknown) => {
    say(error instanceof Error ? error.message : String(error));
    await showLogs();
    await stop();
    process.exit(interrupted ? 130 : 1);
  });
  if (keep) {
    up.unref();
    up.stdout?.destroy();
  }

  const karst = async (args: readonly string[], { quiet } = { quiet: false }) => {
    const own = ['--url', ready.url, '--key-file', ready.keyFile];
    const child = spawn(process.execPath, [cli, ...args, ...own], {
      stdio: ['ignore', 'pipe', quiet ? 'pipe' : 'inherit'],
    });
    running = child;
    let data = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      data += chunk.toString('utf8');
    });
    let chatter = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      chatter += chunk.toString('utf8');
    });
    const [code] = await once(child, 'close');
    running = undefined;
    if (code !== 0)
      throw new Error(`karst ${args[0]} ended with exit code ${code}. ${chatter}`.trim());
    return data;
  };
  return {
    dir,
    get interrupted() {
      return interrupted;
    },
    karst,
    viewKeys: (jobId) => listKeys(dir, ready.s3, jobId),
    showLogs,
    tellHowToGoOn: () => {
      say(`\nThe farm is still there: ${ready.url}`);
      say(`  Use it:   npx karst get jobs --url ${ready.url} --key-file ${ready.keyFile}`);
      say(`  Stop it:  kill ${up.pid}, and remove ${dir}`);
    },
    stop,
  };
}

async function untilReady(up: ChildProcess): Promise<z.infer<typeof readySchema>> {
  if (up.stdout !== null) {
    for await (const line of createInterface({ input: up.stdout })) {
      return readySchema.parse(JSON.parse(line));
    }
  }
  throw new Error('The farm did not start.');
}

async function listKeys(
  dir: string,
  s3: z.infer<typeof readySchema>['s3'],
  jobId: string,
): Promise<string[]> {
  const text = await readFile(path.join(dir, 'secrets.json'), 'utf8');
  const { s3AccessKey, s3SecretKey } = secretsSchema.parse(JSON.parse(text));
  const client = new S3Client({
    endpoint: s3.endpoint,
    region: s3.region,
    forcePathStyle: true,
    credentials: { accessKeyId: s3AccessKey, secretAccessKey: s3SecretKey },
  });
  try {
    const keys: string[] = [];
    let after: string | undefined;
    do {
      const Prefix = `studios/default/outputs/${jobId}/`;
      const page = await client.send(
        new ListObjectsV2Command({ Bucket: s3.bucket, Prefix, ContinuationToken: after }),
      );
      for (const { Key } of page.Contents ?? []) if (Key !== undefined) keys.push(Key);
      after = page.NextContinuationToken;
    } while (after !== undefined);
    return keys;
  } finally {
    client.destroy();
  }
}

/** The ends of what the farm wrote; empty logs are left out. */
async function tellLogs(dir: string, say: (line: string) => void): Promise<void> {
  const logsDir = path.join(dir, 'logs');
  const names = await readdir(logsDir).catch(() => []);
  const files = [path.join(dir, 'up.log'), ...names.map((name) => path.join(logsDir, name))];
  for (const file of files) {
    const text = await readFile(file, 'utf8').catch(() => '');
    const lines = text.trimEnd().split('\n').slice(-15);
    if (text.trim() === '') continue;
    say(`\nThe end of ${path.basename(file)}:`);
    for (const line of lines) say(`  ${line.slice(0, 400)}`);
  }
}
