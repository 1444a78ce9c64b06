import type { NodeId } from '@karst/shared/protocol/ids.ts';
import type { TaskResult } from '@karst/shared/protocol/lease.ts';
import type { Verdict } from '../domain/failure-class.ts';
import {
  type AcceptedOutputs,
  type AttemptRecord,
  packAttempt,
  packRun,
} from '../store/attempt-record.ts';
import { pathHashes } from '../store/path-hash.ts';
import { type Preempt, preemptMessage, type Victim } from '../store/preempt-record.ts';
import type { FailureCode, ResultWords } from '../store/span-store.ts';

export type FailedResult = Extract<TaskResult, { outcome: 'failed' }>;

const letters = { task: 't', node: 'n', farm: 'f' } as const;

function failureCode({ fault, fatal, patient, avoidsNode }: Verdict): FailureCode {
  const letter = fatal ? 'x' : patient ? 'w' : letters[fault];
  return `${letter}${avoidsNode ? 'a' : ''}`;
}

/** A result in the words of report_leases.lua; `judge` decides about one that failed. */
export function resultWords(
  nodeId: NodeId,
  epoch: number,
  result: TaskResult,
  judge: (failed: FailedResult) => Verdict,
): ResultWords {
  const { first, last } = result;
  const words = { first, last, runMs: 0, record: '', outputs: '', outputsCount: 0 };
  if (result.outcome === 'returned') return { ...words, code: 'r' };
  const { startedAtMs, endedAtMs } = result;
  const attempt: AttemptRecord = {
    epoch,
    nodeId,
    outcome: result.outcome,
    startedAtMs,
    endedAtMs,
    logBytes: result.log?.sizeBytes,
  };
  if (result.outcome === 'failed') {
    const verdict = judge(result);
    const record = packAttempt({
      ...attempt,
      exitCode: result.exitCode,
      signal: result.signal,
      failureKind: result.kind,
      failureClass: verdict.fault,
      failureRule: verdict.rule,
      message: result.message,
    });
    return { ...words, code: failureCode(verdict), record };
  }
  const runMs = Math.max(0, Math.round(endedAtMs - startedAtMs));
  const outputs = result.outputs ?? [];
  if (outputs.length === 0 && result.log === undefined) {
    return { ...words, code: 'b', runMs, record: packRun(first, last, attempt) };
  }
  const accepted: AcceptedOutputs = { epoch, ...(last > first ? { last } : {}), files: outputs };
  return {
    ...words,
    code: 's',
    runMs,
    record: packAttempt({ ...attempt, exitCode: 0 }),
    outputs: outputs.length === 0 ? '' : JSON.stringify(accepted),
    outputsCount: outputs.length,
    paths: pathHashes(outputs),
  };
}

/** A lease that was told to end early, and for what. */
export interface PreemptedLease {
  readonly preempt: Preempt;
  readonly victim: Victim;
}

/** Tasks given back because of that: the attempt that ended is recorded, and charged to nobody. */
export function preemptedWords(
  nodeId: NodeId,
  epoch: number,
  { first, last }: TaskResult,
  { preempt, victim }: PreemptedLease,
  nowMs: number,
): ResultWords {
  const record = packAttempt({
    epoch,
    nodeId,
    outcome: 'preempted',
    startedAtMs: victim.grantedAtMs,
    endedAtMs: nowMs,
    message: preemptMessage(preempt),
  });
  return { code: 'r', first, last, runMs: 0, record, outputs: '', outputsCount: 0 };
}
