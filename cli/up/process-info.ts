import { readFile, readlink } from 'node:fs/promises';
import { errnoCode } from '../failure.ts';

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it is there, and somebody else's.
    return errnoCode(error) === 'EPERM';
  }
}

/** When a process started, in a form that only equals itself; undefined where /proc can't tell. */
export async function processStart(pid: number): Promise<string | undefined> {
  const stat = await readProc(readFile(`/proc/${pid}/stat`, 'utf8'));
  // The name, in parentheses, may hold anything: the fields are counted after it. Field 22 of all.
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
}

export async function processName(pid: number): Promise<string | undefined> {
  return (await readProc(readFile(`/proc/${pid}/comm`, 'utf8')))?.trim();
}

export function processDir(pid: number): Promise<string | undefined> {
  return readProc(readlink(`/proc/${pid}/cwd`));
}

async function readProc(reading: Promise<string>): Promise<string | undefined> {
  try {
    return await reading;
  } catch (error) {
    const code = errnoCode(error);
    if (code === 'ENOENT' || code === 'ESRCH' || code === 'EACCES') return undefined;
    throw error;
  }
}
