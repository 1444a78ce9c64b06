import { readFileSync } from 'node:fs';
import type { ResolvedAction } from '@karst/shared/openjd/resolve-task.ts';
import type { TaskResult } from '@karst/shared/protocol/lease.ts';
import type { FailureKind } from '@karst/shared/protocol/task.ts';
import type { DiskGuard } from '../hardware/disk-guard.ts';
import type { ProcessEnd } from '../process/spawn.ts';
import type { Supervised } from '../process/supervise.ts';
import type { TaskOutput } from './task-output.ts';

/** Why a task failed, as the node sees it. */
export interface Failure {
  kind: FailureKind;
  message: string;
  exitCode?: number;
  signal?: string;
  /** The first of the step's failure rules that applies. */
  rule?: string | undefined;
}

const messageCharactersMax = 4096;

/** A failure as it is reported. `logSizeBytes` is 0 or absent when no log was stored. */
export function failedResult(
  { first, last }: { first: number; last: number },
  startedAtMs: number,
  endedAtMs: number,
  { kind, message, exitCode, signal, rule }: Failure,
  logSizeBytes: number | undefined,
): TaskResult {
  return {
    outcome: 'failed',
    first,
    last,
    startedAtMs,
    endedAtMs,
    kind,
    ...(rule === undefined ? {} : { rule }),
    message: message.slice(0, messageCharactersMax),
    ...(exitCode === undefined ? {} : { exitCode }),
    ...(signal === undefined ? {} : { signal }),
    ...(logSizeBytes ? { log: { sizeBytes: logSizeBytes } } : {}),
  };
}

/** Tells a task's own failures from its node's. */
export class FailureJudge {
  readonly #disk: DiskGuard;
  #oomKills = oomKillCount();

  constructor(disk: DiskGuard) {
    this.#disk = disk;
  }

  /** Undefined: the action succeeded. */
  async judge(
    { end, cause }: Supervised,
    output: TaskOutput,
    action: ResolvedAction,
  ): Promise<Failure | undefined> {
    if (cause === 'timeout') {
      const seconds = action.timeoutSeconds;
      return { kind: 'timeout', message: `ran longer than its timeout of ${seconds} s` };
    }
    if (output.malformed !== undefined && end.kind !== 'unstartable') {
      return { kind: 'reported', message: `printed ${output.malformed}` };
    }
    if (end.kind === 'exited' && end.code === 0) return undefined;
    if (end.kind !== 'unstartable' && (await this.#disk.isFull())) {
      return { kind: 'disk_full', message: `${this.#disk.message}; the task ${inWords(end)}` };
    }
    switch (end.kind) {
      case 'exited':
        return output.failMessage === undefined
          ? { kind: 'exit', exitCode: end.code, message: inWords(end) }
          : { kind: 'reported', exitCode: end.code, message: output.failMessage };
      case 'signaled':
        return end.signal === 'SIGKILL' && this.#newOomKill()
          ? { kind: 'out_of_memory', signal: end.signal, message: 'this machine ran out of memory' }
          : { kind: 'signal', signal: end.signal, message: inWords(end) };
      case 'unstartable':
        return unstartable(end, action);
    }
  }

  /** A failure of the agent's own work for a task: a full disk, or something wrong with the node. */
  nodeFailure(error: unknown): Failure {
    const code = errorCode(error);
    const message = error instanceof Error ? error.message : String(error);
    if (code === 'ENOSPC' || code === 'EDQUOT') {
      this.#disk.sawFull();
      return { kind: 'disk_full', message };
    }
    return { kind: 'node', message };
  }

  #newOomKill(): boolean {
    const before = this.#oomKills;
    this.#oomKills = oomKillCount();
    return this.#oomKills > before;
  }
}

/** Start failures that are the node's: no resources, no log, no helper. */
const nodeErrorCodes = new Set(['EAGAIN', 'ENOMEM', 'EMFILE', 'ENFILE', 'LOG', 'HELPER']);

function unstartable(
  end: Extract<ProcessEnd, { kind: 'unstartable' }>,
  { command }: ResolvedAction,
): Failure {
  if (nodeErrorCodes.has(end.code)) {
    return { kind: 'node', message: `this node can't start another process: ${end.message}` };
  }
  const why =
    end.code === 'ENOENT'
      ? 'there is no such program on this node (or its interpreter is missing)'
      : end.code === 'EACCES'
        ? 'it may not be executed'
        : end.message;
  return {
    kind: 'command',
    message: `the command ${JSON.stringify(command)} can't be started: ${why}`,
  };
}

function inWords(end: ProcessEnd): string {
  switch (end.kind) {
    case 'exited':
      return `exited with code ${end.code}`;
    case 'signaled':
      return `was ended by ${end.signal}`;
    case 'unstartable':
      return end.message;
  }
}

export const errorCode = (error: unknown): string | undefined =>
  error instanceof Error && 'code' in error ? String(error.code) : undefined;

/** How many processes this machine's kernel has killed for want of memory since it started. */
function oomKillCount(): number {
  try {
    const count = /^oom_kill (\d+)$/m.exec(readFileSync('/proc/vmstat', 'utf8'))?.[1];
    return Number(count ?? 0);
  } catch {
    // Not Linux, or an old kernel: such a death is then reported as the signal it is.
    return 0;
  }
}
