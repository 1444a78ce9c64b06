import { sleep } from '@karst/shared/clock.ts';
import { listProcesses, type ProcessEntry, readEnvironment } from './process-table.ts';

/** Environment variables that mark every process of a task, whatever group it moved itself to. */
export const marker = {
  agentDir: 'KARST_NODE_DIR',
  lease: 'KARST_LEASE_ID',
  task: 'KARST_TASK',
  /** Of what an environment's actions start: it lives until the session ends. */
  session: 'KARST_SESSION',
  action: 'KARST_ACTION',
} as const;

export type Belongs = (variables: ReadonlyMap<string, string>) => boolean;

const roundsMax = 50;

/**
 * Kills a task's whole tree with SIGKILL: its group, its descendants, and processes that `belongs`
 * knows by their environment though they left group and parent. Repeats until none is left, because
 * a process may fork between being listed and being killed. What cleared its environment and lost
 * its parent can't be found without cgroups.
 * Resolves to how many processes were killed besides the group's leader.
 */
export async function killTree(rootPid: number, belongs: Belongs): Promise<number> {
  const killed = new Set<number>();
  signalGroup(rootPid, 'SIGKILL');
  for (let round = 0; round < roundsMax; round++) {
    const found = familyOf(new Set([rootPid, ...killed]), belongs);
    for (const { pid } of found) {
      send(pid, 'SIGKILL');
      killed.add(pid);
    }
    signalGroup(rootPid, 'SIGKILL');
    if (found.length === 0) break;
    await sleep(round < 5 ? 1 : 20);
  }
  killed.delete(rootPid);
  return killed.size;
}

/** Kills every process that `belongs`, wherever it stands. Resolves to how many. */
export async function killMarked(belongs: Belongs): Promise<number> {
  const killed = new Set<number>();
  for (let round = 0; round < roundsMax; round++) {
    const found = familyOf(killed, belongs);
    for (const { pid } of found) {
      send(pid, 'SIGKILL');
      killed.add(pid);
    }
    if (found.length === 0) break;
    await sleep(round < 5 ? 1 : 20);
  }
  return killed.size;
}

/** The live processes of `roots`, their groups, sessions and descendants, and those that belong. */
function familyOf(roots: ReadonlySet<number>, belongs: Belongs): ProcessEntry[] {
  const all = listProcesses();
  const family = new Set<number>(roots);
  for (const { pid, groupId, sessionId } of all) {
    if (roots.has(groupId) || roots.has(sessionId)) family.add(pid);
    else {
      const variables = readEnvironment(pid);
      if (variables !== undefined && belongs(variables)) family.add(pid);
    }
  }
  for (let grown = true; grown; ) {
    grown = false;
    for (const { pid, parentPid } of all) {
      if (family.has(parentPid) && !family.has(pid)) {
        family.add(pid);
        grown = true;
      }
    }
  }
  family.delete(process.pid);
  return all.filter(({ pid }) => family.has(pid));
}

/** Signals a whole process group. False when it has no member left. */
export function signalGroup(groupId: number, signal: NodeJS.Signals): boolean {
  return send(-groupId, signal);
}

function send(pid: number, signal: NodeJS.Signals): boolean {
  if (pid === 0 || pid === 1 || pid === -1) return false;
  try {
    process.kill(pid, signal);
    return true;
  } catch {
    // ESRCH: gone already. EPERM: a set-user-id program another user owns now; nothing we may do.
    return false;
  }
}
