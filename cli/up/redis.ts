import { accessSync, constants } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import net from 'node:net';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Clock, sleep } from '@karst/shared/clock.ts';
import { CliError, errnoCode } from '../failure.ts';
import { isAlive, processDir, processName } from './process-info.ts';
import type { ProcessCommand } from './supervised-process.ts';

export interface RedisSettings {
  dir: string;
  port: number;
  password: string;
}

const ORPHAN_MS_MAX = 15_000;

/** The system's Redis or Valkey, by absolute path. Throws with what to install. */
export function findRedisProgram(searchPath: string): string {
  for (const name of ['redis-server', 'valkey-server']) {
    for (const dir of searchPath.split(path.delimiter)) {
      if (dir !== '' && isExecutable(path.join(dir, name))) return path.join(dir, name);
    }
  }
  throw new CliError('Neither redis-server nor valkey-server is installed.', {
    details: [
      'Install one, for example with: sudo apt-get install redis-server',
      'or set REDIS_URL to a Redis of your own (appendonly yes, maxmemory-policy noeviction).',
    ],
  });
}

export const isOnPath = (program: string, searchPath: string): boolean =>
  searchPath
    .split(path.delimiter)
    .some((dir) => dir !== '' && isExecutable(path.join(dir, program)));

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    // Not this one.
    return false;
  }
}

/** Writes the settings to a file (arguments would show the password to everybody) and starts on it. */
export async function redisCommand(
  program: string,
  settings: RedisSettings,
  env: NodeJS.ProcessEnv,
  clock: Clock,
): Promise<ProcessCommand> {
  await endOrphan(settings.dir, clock);
  const configFile = path.join(settings.dir, 'redis.conf');
  const quoted = (text: string) => `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
  const lines = [
    'bind 127.0.0.1',
    `port ${settings.port}`,
    `requirepass ${quoted(settings.password)}`,
    `dir ${quoted(settings.dir)}`,
    `pidfile ${quoted(path.join(settings.dir, 'redis.pid'))}`,
    'appendonly yes',
    'appendfsync everysec',
    'save ""',
    'maxmemory-policy noeviction',
    'daemonize no',
    'logfile ""',
  ];
  await writeFile(configFile, `${lines.join('\n')}\n`, { mode: 0o600 });
  const wrapper = fileURLToPath(import.meta.resolve('./run-with-parent.ts'));
  return { program: process.execPath, args: [wrapper, program, configFile], env };
}

/**
 * A Redis that outlived a killed `karst up` still writes to this directory; two would damage it. It is
 * ended, and known to be ours by the directory it works in.
 */
async function endOrphan(dir: string, clock: Clock): Promise<void> {
  const pid = await readPid(path.join(dir, 'redis.pid'));
  if (pid === undefined || !(await isOurs(pid, dir))) return;
  process.kill(pid, 'SIGTERM');
  const deadlineMs = clock.monotonicMs() + ORPHAN_MS_MAX;
  while (isAlive(pid)) {
    if (clock.monotonicMs() > deadlineMs) {
      throw new CliError(`A Redis of an earlier run does not end: kill ${pid} and try again.`);
    }
    await sleep(50);
  }
}

async function isOurs(pid: number, dir: string): Promise<boolean> {
  if (!isAlive(pid)) return false;
  const name = (await processName(pid)) ?? '';
  return /redis|valkey/.test(name) && (await processDir(pid)) === dir;
}

async function readPid(file: string): Promise<number | undefined> {
  try {
    const pid = Number((await readFile(file, 'utf8')).trim());
    return Number.isSafeInteger(pid) && pid > 1 ? pid : undefined;
  } catch (error) {
    if (errnoCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Resolves once Redis takes our password and has loaded its data. */
export async function redisReady(settings: RedisSettings, signal: AbortSignal): Promise<void> {
  for (;;) {
    const answer = await askRedis(settings, signal);
    if (answer?.includes('+PONG')) return;
    if (answer?.includes('-WRONGPASS')) throw new Error('has another password than ours');
    await sleep(30, signal);
  }
}

/** AUTH and PING in Redis's inline protocol; undefined when nobody answers. */
function askRedis(settings: RedisSettings, signal: AbortSignal): Promise<string | undefined> {
  return new Promise((resolve) => {
    let answer = '';
    const socket = net.connect({ port: settings.port, host: '127.0.0.1', signal });
    const done = () => {
      socket.destroy();
      resolve(answer === '' ? undefined : answer);
    };
    socket.on('connect', () => socket.write(`AUTH ${settings.password}\r\nPING\r\nQUIT\r\n`));
    socket.on('data', (chunk) => {
      answer += chunk.toString('latin1');
    });
    socket.on('end', done);
    socket.on('error', done);
  });
}
