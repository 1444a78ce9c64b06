import { closeSync, openSync } from 'node:fs';
import { sleep } from '@karst/shared/clock.ts';
import { killMarked, marker, signalGroup } from './kill-tree.ts';
import { startProcess } from './spawn.ts';
import { isSpawnOrder, type SpawnNews, type SpawnOrder } from './spawn-order.ts';

/**
 * A process of its own that starts the tasks. Starting a process copies the page tables of the one
 * that starts it: from a process of 40 MB that takes 1 ms, from one of 600 MB 24 ms, so what spawns
 * must stay small (nothing but Node's own modules is loaded here). It also watches over the tasks
 * for the agent: it kills them when the agent dies without a word (SIGKILL, out of memory), and when
 * the lease deadline passes though the agent is frozen.
 * Argument: the agent's directory, the marker of its tasks.
 */
const [agentDir] = process.argv.slice(2);
const groups = new Map<number, number>();
let deadline = new AbortController();

function start(order: Extract<SpawnOrder, { kind: 'start' }>): void {
  const { id, command, args, cwd, env, logPath, keepsGroup } = order;
  let outputFd: number;
  try {
    outputFd = openSync(logPath, 'a', 0o600);
  } catch (error) {
    const message = `its log can't be opened: ${error instanceof Error ? error.message : error}`;
    tell({ kind: 'ended', id, end: { kind: 'unstartable', code: 'LOG', message } });
    return;
  }
  const started = startProcess({ command, args, cwd, env, outputFd });
  closeSync(outputFd);
  if ('kind' in started) {
    tell({ kind: 'ended', id, end: started });
    return;
  }
  const { pid } = started;
  groups.set(id, pid);
  tell({ kind: 'started', id, pid });
  void started.ended.then((end) => {
    groups.delete(id);
    if (keepsGroup !== true) signalGroup(pid, 'SIGKILL');
    tell({ kind: 'ended', id, end });
  });
}

function tell(news: SpawnNews): void {
  if (process.connected) process.send?.(news);
}

/** Ends every task, also those that left their process group. */
async function killAll(): Promise<void> {
  for (const pid of groups.values()) signalGroup(pid, 'SIGKILL');
  await killMarked((variables) => variables.get(marker.agentDir) === agentDir);
}

function setDeadline(leftMs: number): void {
  deadline.abort();
  deadline = new AbortController();
  sleep(Math.max(0, leftMs), deadline.signal).then(killAll, () => undefined);
}

process.on('message', (message) => {
  if (!isSpawnOrder(message)) return;
  if (message.kind === 'start') start(message);
  else setDeadline(message.leftMs);
});
process.on('disconnect', () => {
  void killAll().then(() => process.exit(0));
});
// Whoever stops the agent (a terminal, a service manager) may signal its children too; this one ends
// after the agent, not with it.
process.on('SIGTERM', () => undefined);
process.on('SIGINT', () => undefined);
