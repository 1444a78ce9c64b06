import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Connection } from './compatibility/connection.ts';
import { credentials } from './endpoint.ts';

const main = new URL('../../orchestrator/local-s3/main.ts', import.meta.url).pathname;

export type EndpointProcess = Connection & { child: ChildProcess; stderr: () => string };

/** Starts the endpoint as a process; resolves once it listens, rejects when it ends before that. */
export async function startProcess(
  dir: string,
  options: { env?: Record<string, string>; fileBlocksMax?: number } = {},
): Promise<EndpointProcess> {
  // A shell only where a limit on file size must be set before the process starts.
  const limit = options.fileBlocksMax;
  const [command, args] =
    limit === undefined
      ? [process.execPath, [main]]
      : ['/bin/sh', ['-c', 'ulimit -f "$0"; exec "$@"', `${limit}`, process.execPath, main]];
  const child = spawn(command, args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: {
      KARST_S3_DIR: dir,
      KARST_S3_PORT: '0',
      KARST_S3_ACCESS_KEY: credentials.accessKeyId,
      KARST_S3_SECRET_KEY: credentials.secretAccessKey,
      KARST_S3_BUCKETS: 'farm',
      ...options.env,
    },
  });
  let stderr = '';
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  const ended = once(child, 'exit').then(([code]) => {
    throw new Error(`the endpoint ended with ${code}: ${stderr}`);
  });
  const [line] = await Promise.race([once(createInterface(child.stdout), 'line'), ended]);
  ended.catch(() => undefined);
  const { port } = JSON.parse(line);
  return {
    child,
    endpoint: `http://127.0.0.1:${port}`,
    credentials,
    stderr: () => stderr,
    stop: () => endProcess(child, 'SIGTERM').then(() => undefined),
  };
}

/** Signals a child and waits for its end; resolves to its exit code (null when killed). */
export async function endProcess(
  child: ChildProcess,
  signal: NodeJS.Signals,
): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) {
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
  }
  return child.exitCode;
}
