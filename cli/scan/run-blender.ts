import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { sleep } from '@karst/shared/clock.ts';
import type { PathMappingRule } from '@karst/shared/openjd/path-mapping-rules.ts';
import { CliError, errnoCode } from '../failure.ts';
import { REPORT_MARK, scanScript } from './scan-script.ts';
import { type ScannedScene, sceneReportSchema } from './scene-report.ts';

/** What scans: which Blender, and for how long at most. */
export interface BlenderScan {
  program: string;
  /** Absolute paths of .blend files. */
  scenes: readonly string[];
  /** Where this machine finds what scenes name otherwise. */
  rules: readonly PathMappingRule[];
  /** For all of them, milliseconds. */
  timeoutMs: number;
  env: Readonly<Record<string, string | undefined>>;
}

/** There is no such program on this machine. */
export class NoBlenderError extends CliError {
  override name = 'NoBlenderError';
}

const LAST_WORDS = 5;

/**
 * Opens the scenes, one after the other, in one Blender without a window, whose scripts and drivers do
 * not run. Throws NoBlenderError, or a CliError that names the scene it ended at.
 */
export async function runBlender(scan: BlenderScan, signal: AbortSignal): Promise<ScannedScene[]> {
  const dir = await mkdtemp(path.join(tmpdir(), 'karst-scan-'));
  try {
    const script = path.join(dir, 'scan.py');
    const request = path.join(dir, 'request.json');
    const { scenes, rules } = scan;
    await writeFile(script, scanScript);
    await writeFile(request, JSON.stringify({ scenes, rules }));
    return await listen(scan, [script, '--', request], signal);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

const blenderOptions = ['--background', '--factory-startup', '--disable-autoexec', '-noaudio'];

async function listen(
  { program, scenes, timeoutMs, env }: BlenderScan,
  args: readonly string[],
  signal: AbortSignal,
): Promise<ScannedScene[]> {
  signal.throwIfAborted();
  const child = spawn(
    program,
    [...blenderOptions, '--python-exit-code', '1', '--python', ...args],
    {
      env: { ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      // A group of its own: what is called blender may be a script that starts it.
      detached: process.platform !== 'win32',
    },
  );
  const over = new AbortController();
  const ended = Promise.withResolvers<string>();
  child.on('error', (error) => ended.reject(cantStart(program, error)));
  child.on('close', (code, by) => ended.resolve(by ?? `exit code ${code}`));
  const scanned: ScannedScene[] = [];
  const lastWords: string[] = [];
  const problems: string[] = [];
  const hear = (line: string) => {
    if (!line.startsWith(REPORT_MARK)) {
      if (line.trim() !== '') lastWords.push(line);
      if (lastWords.length > LAST_WORDS) lastWords.shift();
      return;
    }
    const report = sceneReportSchema.parse(JSON.parse(line.slice(REPORT_MARK.length)));
    if ('problem' in report) problems.push(`${report.scene}: ${report.problem}`);
    else scanned.push(report);
  };
  for (const stream of [child.stdout, child.stderr]) createInterface(stream).on('line', hear);
  const stop = () => killGroup(child);
  signal.addEventListener('abort', stop, { once: true });
  let late = false;
  const timer = sleep(timeoutMs, over.signal).then(
    () => {
      late = true;
      stop();
    },
    () => undefined,
  );
  try {
    const end = await ended.promise;
    signal.throwIfAborted();
    if (problems.length > 0) {
      throw new CliError('Blender could not open every scene.', { details: problems });
    }
    const next = scenes[scanned.length];
    if (next === undefined) return scanned;
    throw new CliError(
      late
        ? `Blender did not tell what ${next} needs within ${timeoutMs / 1000} s.`
        : `Blender ended (${end}) before it told what ${next} needs.`,
      { details: lastWords },
    );
  } finally {
    over.abort();
    signal.removeEventListener('abort', stop);
    await timer;
  }
}

function killGroup(child: ChildProcess): void {
  if (process.platform === 'win32' || child.pid === undefined) {
    child.kill('SIGKILL');
    return;
  }
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // ESRCH: it has ended.
  }
}

function cantStart(program: string, error: unknown): CliError {
  const code = errnoCode(error);
  return code === 'ENOENT'
    ? new NoBlenderError(`There is no ${program} on this machine.`)
    : new CliError(`${program} can't be started (${code}).`, { cause: error });
}
