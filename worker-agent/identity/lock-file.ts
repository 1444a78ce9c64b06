import { open, readFile, rm } from 'node:fs/promises';
import { z } from 'zod';
import { startTicks } from '../process/process-table.ts';
import { errorCode } from '../session/failure.ts';

const lockSchema = z.object({ pid: z.int(), startTicks: z.string().optional() });

/**
 * Takes the lock of a directory for this process: a file with its id and start time, so that what a
 * killed process left counts for nothing. Throws when a live process has it.
 */
export async function holdLock(path: string, dir: string): Promise<void> {
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      const file = await open(path, 'wx', 0o600);
      await file.writeFile(
        JSON.stringify({ pid: process.pid, startTicks: startTicks(process.pid) }),
      );
      await file.close();
      return;
    } catch (error) {
      if (errorCode(error) !== 'EEXIST') throw error;
    }
    const holder = lockSchema.safeParse(await readJson(path));
    const alive = holder.success && startTicks(holder.data.pid) === holder.data.startTicks;
    if (alive && holder.data.pid !== process.pid) {
      throw new Error(`another agent (process ${holder.data.pid}) uses ${dir}`);
    }
    await rm(path, { force: true });
  }
  throw new Error(`${path} keeps coming back: another agent is starting in ${dir}`);
}

export async function releaseLock(path: string): Promise<void> {
  await rm(path, { force: true });
}

/** A file's JSON, or undefined when there is none that can be read. */
export async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || error instanceof SyntaxError) return undefined;
    throw error;
  }
}
