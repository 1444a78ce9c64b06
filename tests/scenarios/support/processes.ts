import { readdirSync, readFileSync } from 'node:fs';

interface ProcessState {
  parentPid: number;
  /** As in /proc/<pid>/stat: R running, S sleeping, T stopped, Z only waits to be reaped. */
  state: string;
}

function processState(pid: number): ProcessState | undefined {
  try {
    // The name in parentheses may hold anything; what follows the last one is well-formed.
    const [state = '', parentPid] = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    return { state, parentPid: Number(parentPid) };
  } catch {
    return undefined;
  }
}

/** Whether a process runs: one that only waits to be reaped does not. */
export function isAlive(pid: number | undefined): boolean {
  const state = pid === undefined ? undefined : processState(pid)?.state;
  return state !== undefined && state !== 'Z' && state !== 'X';
}

/** Live descendants of a process; those in `except`, and what descends from them, are left out. */
function descendants(rootPid: number, except: readonly number[] = []): number[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    const parentPid = Number.isInteger(pid) ? processState(pid)?.parentPid : undefined;
    if (parentPid !== undefined) parents.set(pid, parentPid);
  }
  const found: number[] = [];
  const open = [rootPid];
  for (let parent = open.pop(); parent !== undefined; parent = open.pop()) {
    for (const [pid, parentPid] of parents) {
      if (parentPid !== parent || except.includes(pid)) continue;
      found.push(pid);
      open.push(pid);
    }
  }
  return found;
}

/** Stops an agent with its helpers, as a machine that hangs would; its tasks go on. */
export function freeze(agentPid: number, taskPids: readonly number[]): { thaw(): void } {
  const frozen = [agentPid, ...descendants(agentPid, taskPids)];
  for (const pid of frozen) process.kill(pid, 'SIGSTOP');
  return {
    thaw() {
      for (const pid of frozen) process.kill(pid, 'SIGCONT');
    },
  };
}
