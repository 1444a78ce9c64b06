import { link, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Random } from '@karst/shared/random.ts';
import { z } from 'zod';
import { CliError, errnoCode } from '../failure.ts';
import { isAlive, processStart } from './process-info.ts';

const lockSchema = z.object({ pid: z.int().min(1), start: z.string().optional() });

export interface FarmLock {
  /** Whether an earlier `karst up` was killed without giving the lock back. */
  replacedStale: boolean;
  release: () => Promise<void>;
}

/** Makes this process the one `karst up` of a directory. Throws when a living one has it. */
export async function takeFarmLock(farmDir: string, random: Random): Promise<FarmLock> {
  const file = path.join(farmDir, 'up.lock');
  const own = path.join(farmDir, `up.lock.${random.uuid()}`);
  const holder = { pid: process.pid, start: await processStart(process.pid) };
  await writeFile(own, JSON.stringify(holder), { mode: 0o600 });
  let replacedStale = false;
  try {
    for (;;) {
      // A hard link appears whole or not at all: nobody can read a half-written lock.
      if (await linked(own, file)) break;
      const other = await readHolder(file);
      if (other !== undefined && (await holds(other))) {
        throw new CliError(`A farm is running in ${farmDir} already (process ${other.pid}).`, {
          details: [
            `Stop it with Ctrl-C where it runs, or with: kill ${other.pid}`,
            'For a second farm on this machine, choose another --dir and --port.',
          ],
        });
      }
      replacedStale = true;
      await discard(file, `${own}.stale`);
    }
  } finally {
    await rm(own, { force: true });
  }
  return { replacedStale, release: () => rm(file, { force: true }) };
}

async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if (errnoCode(error) === 'EEXIST') return false;
    throw error;
  }
}

async function readHolder(file: string): Promise<z.infer<typeof lockSchema> | undefined> {
  try {
    const parsed = lockSchema.safeParse(JSON.parse(await readFile(file, 'utf8')));
    return parsed.success ? parsed.data : undefined;
  } catch (error) {
    // Gone again, or damaged: nobody holds it.
    if (errnoCode(error) === 'ENOENT' || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** The id alone may have been given to another process since. */
async function holds(holder: z.infer<typeof lockSchema>): Promise<boolean> {
  if (!isAlive(holder.pid)) return false;
  return holder.start === undefined || holder.start === (await processStart(holder.pid));
}

/** Moves it away first: of two that found it stale, one alone succeeds in moving. */
async function discard(file: string, aside: string): Promise<void> {
  try {
    await rename(file, aside);
    await rm(aside, { force: true });
  } catch (error) {
    if (errnoCode(error) !== 'ENOENT') throw error;
  }
}
