import type { LeaseRef } from './keys.ts';
import { asInteger, asText } from './reply.ts';

/** Whose fault a failure is; a: the next try avoids the node. */
export type FailureCode = `${'t' | 'n' | 'f' | 'w' | 'x'}${'' | 'a'}`;

/** One result in the words of report_leases.lua. */
export interface ResultWords {
  code: 'b' | 's' | 'r' | FailureCode;
  first: number;
  last: number;
  runMs: number;
  record: string;
  outputs: string;
  outputsCount: number;
  /** Of a success: pathHashes of its outputs. */
  paths?: string;
}

/** Of one lease, in task order. */
export interface LeaseResults extends Pick<LeaseRef, 'spanId' | 'leaseId' | 'epoch'> {
  results: readonly ResultWords[];
}

/** A success that wrote what another task had written. */
export interface PathConflict {
  /** The first task of the result. */
  first: number;
  /** Which of its outputs, from 0. */
  file: number;
  /** Who wrote it: index of the step, task. */
  step: number;
  task: number;
}

export interface ReportedLease {
  /** conflict: nothing of the lease is recorded until the result is told otherwise. */
  status: 'accepted' | 'lost' | 'refused' | 'conflict';
  conflict?: PathConflict;
  /** The lease is over. */
  released: boolean;
  /** The span waits again. */
  requeued: boolean;
  /** The tasks run on under another lease. */
  runsOn: boolean;
}

/** What is sent of a lease: report_leases.lua. */
export const leaseWords = ({ spanId, leaseId, epoch, results }: LeaseResults) => [
  spanId,
  leaseId,
  epoch,
  results.length,
  ...results.flatMap((r) => [
    r.code,
    r.first,
    r.last,
    r.runMs,
    r.record,
    r.outputs,
    r.outputsCount,
    r.paths ?? '',
  ]),
];

/** What is answered of a lease. Throws for what the script never says. */
export function reportedLease([word, ...flags]: readonly unknown[]): ReportedLease {
  const status = asText(word);
  const conflict = parseConflict(status);
  if (conflict !== undefined) {
    return { status: 'conflict', conflict, released: false, requeued: false, runsOn: false };
  }
  if (status !== 'accepted' && status !== 'lost' && status !== 'refused') {
    throw new TypeError(`redis: report_leases answered "${status}"`);
  }
  const [released, requeued, runsOn] = flags.map(asInteger);
  return { status, released: released === 1, requeued: requeued === 1, runsOn: runsOn === 1 };
}

function parseConflict(status: string): PathConflict | undefined {
  const [, first, file, step, task] = /^conflict (\d+) (\d+) (\d+) (\d+)$/.exec(status) ?? [];
  if (task === undefined) return undefined;
  return { first: Number(first), file: Number(file), step: Number(step), task: Number(task) };
}
