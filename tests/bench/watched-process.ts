import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { Child } from '../support/child.ts';

const LOOK_MS = 20;

/** The most memory that a process has held so far, bytes; 0 when it has ended. */
export function peakRssBytes(pid: number): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1] ?? 0) * 1024;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return 0;
    throw error;
  }
}

export interface WatchedRun {
  /** From its start to its end. */
  seconds: number;
  /** As seen every 20 ms. */
  peakRssBytes: number;
  stdout: readonly string[];
}

/** Runs a program on this Node to its end. Throws, with what it said, unless it exits with 0. */
export async function runWatched(
  name: string,
  args: readonly string[],
  env: Record<string, string | undefined>,
  cwd?: string,
): Promise<WatchedRun> {
  const startMs = performance.now();
  const child = new Child(name, process.execPath, args, { PATH: process.env.PATH, ...env }, cwd);
  let peak = 0;
  const watching = (async () => {
    while (child.running) {
      peak = Math.max(peak, peakRssBytes(child.pid));
      await pause(LOOK_MS);
    }
  })();
  const code = await child.exit();
  const seconds = (performance.now() - startMs) / 1000;
  await watching;
  if (code !== 0) throw new Error(`${name} ended with ${code}:\n${child.stderr}`);
  return { seconds, peakRssBytes: peak, stdout: child.stdout };
}
