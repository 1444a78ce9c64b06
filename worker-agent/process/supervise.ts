import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, sleep } from '@karst/shared/clock.ts';
import type { ResolvedCancelation } from '@karst/shared/openjd/resolved-job.ts';
import { type Belongs, killTree, signalGroup } from './kill-tree.ts';
import type { ProcessEnd } from './spawn.ts';
import type { TaskProcess } from './task-spawner.ts';

/** Why the agent ended a task: it ran or was silent too long, the agent stops, or the lease is gone. */
export type StopCause = 'timeout' | 'silent' | 'stop' | 'kill';

/** Reason of a `stop` that leaves the task no more than so long, whatever its template says. */
export class StopWithin {
  readonly graceMs: number;

  constructor(graceMs: number) {
    this.graceMs = graceMs;
  }
}

export interface Supervision {
  timeoutSeconds?: number | undefined;
  cancelation: ResolvedCancelation;
  /** Where cancel_info.json goes. */
  sessionDir: string;
  belongs: Belongs;
  /** Asks the task to end, the way its template says. */
  stop: AbortSignal;
  /** As stop, for a task that has been silent for too long. */
  silent?: AbortSignal;
  /** Ends the task at once. */
  kill: AbortSignal;
  clock: Clock;
}

export interface Supervised {
  end: ProcessEnd;
  /** Absent: it ended by itself. */
  cause?: StopCause;
}

/** Waits for a process to end, and ends it (with its whole tree) when one of the reasons comes up. */
export async function supervise(process: TaskProcess, how: Supervision): Promise<Supervised> {
  const over = new AbortController();
  let cause: StopCause | undefined;
  const end = (why: StopCause) => {
    if (cause === 'kill' || (cause !== undefined && why !== 'kill')) return;
    const first = cause === undefined;
    cause = why;
    if (why === 'kill' || how.cancelation.mode === 'TERMINATE') {
      void killStarted(process, how.belongs);
    } else if (first) {
      void notifyThenKill(process, noticeSeconds(how), how, over.signal);
    }
  };
  const onStop = () => end('stop');
  const onSilent = () => end('silent');
  const onKill = () => end('kill');
  how.stop.addEventListener('abort', onStop);
  how.silent?.addEventListener('abort', onSilent);
  how.kill.addEventListener('abort', onKill);
  if (how.stop.aborted) onStop();
  if (how.kill.aborted) onKill();
  if (how.timeoutSeconds !== undefined) {
    sleep(how.timeoutSeconds * 1000, over.signal).then(
      () => end('timeout'),
      () => undefined,
    );
  }
  try {
    const ended = await process.ended;
    return { end: ended, ...(cause === undefined ? {} : { cause }) };
  } finally {
    over.abort();
    how.silent?.removeEventListener('abort', onSilent);
    how.stop.removeEventListener('abort', onStop);
    how.kill.removeEventListener('abort', onKill);
  }
}

function noticeSeconds({ cancelation, stop }: Supervision): number {
  const periodSeconds = cancelation.mode === 'TERMINATE' ? 0 : cancelation.notifyPeriodSeconds;
  const reason: unknown = stop.reason;
  return reason instanceof StopWithin
    ? Math.min(periodSeconds, reason.graceMs / 1000)
    : periodSeconds;
}

async function killStarted(process: TaskProcess, belongs: Belongs): Promise<void> {
  const pid = await process.started;
  if (pid !== undefined) await killTree(pid, belongs);
}

/**
 * OpenJD's NOTIFY_THEN_TERMINATE: tell it until when it has time, SIGTERM, then SIGKILL. `over` aborts
 * when the process has ended; what it left behind is then killed with the rest of its tree.
 */
async function notifyThenKill(
  process: TaskProcess,
  periodSeconds: number,
  { clock, sessionDir, belongs }: Supervision,
  over: AbortSignal,
): Promise<void> {
  const notifyEnd = new Date(clock.nowMs() + periodSeconds * 1000);
  const text = JSON.stringify({ NotifyEnd: `${notifyEnd.toISOString().slice(0, 19)}Z` });
  // A notice that can't be written (disk full) must not keep the task from being ended.
  await writeFile(join(sessionDir, 'cancel_info.json'), text).catch(() => undefined);
  const pid = await process.started;
  if (over.aborted || pid === undefined) return;
  signalGroup(pid, 'SIGTERM');
  await sleep(periodSeconds * 1000, over).then(
    () => killTree(pid, belongs),
    () => undefined,
  );
}
