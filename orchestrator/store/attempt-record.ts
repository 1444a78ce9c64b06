import { outputFileSchema } from '@karst/shared/protocol/files.ts';
import { nodeIdSchema } from '@karst/shared/protocol/ids.ts';
import {
  type Attempt,
  attemptSchema,
  failureClassSchema,
  failureKindSchema,
} from '@karst/shared/protocol/task.ts';
import { z } from 'zod';

/** An attempt as stored, with short keys: there may be one for every task. */
export const storedAttemptSchema = z.object({
  e: z.int(),
  n: nodeIdSchema,
  o: attemptSchema.shape.outcome,
  s: z.number().optional(),
  t: z.number().optional(),
  x: z.int().optional(),
  g: z.string().optional(),
  k: failureKindSchema.optional(),
  c: failureClassSchema.optional(),
  r: z.string().optional(),
  m: z.string().optional(),
  /** Nodes it failed on, where that many are why the task was given up: report_leases.lua writes it. */
  p: z.string().optional(),
  /** The full log's size in storage, bytes. */
  l: z.int().optional(),
});

export type AttemptRecord = Omit<Attempt, 'startedAt' | 'endedAt'> & {
  startedAtMs?: number | undefined;
  endedAtMs?: number | undefined;
  logBytes?: number | undefined;
};

export function packAttempt(attempt: AttemptRecord): string {
  return JSON.stringify({
    e: attempt.epoch,
    n: attempt.nodeId,
    o: attempt.outcome,
    s: attempt.startedAtMs,
    t: attempt.endedAtMs,
    x: attempt.exitCode,
    g: attempt.signal,
    k: attempt.failureKind,
    c: attempt.failureClass,
    r: attempt.failureRule,
    m: attempt.message,
    l: attempt.logBytes,
  });
}

export function unpackAttempt(text: string): AttemptRecord {
  return fromStored(storedAttemptSchema.parse(JSON.parse(text)));
}

export function fromStored(r: z.infer<typeof storedAttemptSchema>): AttemptRecord {
  return {
    epoch: r.e,
    nodeId: r.n,
    outcome: r.o,
    startedAtMs: r.s,
    endedAtMs: r.t,
    exitCode: r.x,
    signal: r.g,
    failureKind: r.k,
    failureClass: r.c,
    failureRule: r.r,
    message: r.p === undefined ? r.m : poisonMessage(r.p.split(' '), r.m),
    logBytes: r.l,
  };
}

const poisonMessage = (nodes: readonly string[], last: string | undefined): string =>
  `failed on ${nodes.length} nodes and is given up (${nodes.join(', ')}); the last time: ${last ?? 'no message'}`;

/** Successes of a range without outputs or logs: one member of a sorted set for all of them. */
export function packRun(first: number, last: number, attempt: AttemptRecord): string {
  return [
    first,
    last,
    attempt.epoch,
    attempt.nodeId,
    attempt.startedAtMs ?? 0,
    attempt.endedAtMs ?? 0,
  ].join(' ');
}

export function unpackRun(text: string): { first: number; last: number; attempt: AttemptRecord } {
  const [first, last, epoch, nodeId, startedAtMs, endedAtMs] = text.split(' ');
  return {
    first: Number(first),
    last: Number(last),
    attempt: {
      epoch: Number(epoch),
      nodeId: nodeIdSchema.parse(nodeId),
      outcome: 'succeeded',
      startedAtMs: Number(startedAtMs),
      endedAtMs: Number(endedAtMs),
    },
  };
}

/** Accepted outputs of a task: of which attempt, and what. Those of a chunk stand under its first task. */
export const acceptedOutputsSchema = z.object({
  epoch: z.int(),
  /** The chunk's last task, where it has several. */
  last: z.int().optional(),
  files: z.array(outputFileSchema),
});
export type AcceptedOutputs = z.infer<typeof acceptedOutputsSchema>;

/** What counts of a task's outputs in Redis ('': withdrawn) and those that were paged out before. */
export function acceptedOutputs(
  text: string | null,
  paged: AcceptedOutputs | undefined,
): AcceptedOutputs | undefined {
  if (text === null) return paged;
  return text === '' ? undefined : acceptedOutputsSchema.parse(JSON.parse(text));
}

export function attemptOf(record: AttemptRecord): Attempt {
  const { startedAtMs, endedAtMs, logBytes: _logBytes, ...rest } = record;
  const iso = (ms: number | undefined) =>
    ms === undefined ? undefined : new Date(ms).toISOString();
  return { ...rest, startedAt: iso(startedAtMs), endedAt: iso(endedAtMs) };
}
