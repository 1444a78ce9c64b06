import type { Span } from '@karst/orchestrator/store/span-store.ts';
import { partSizes } from '@karst/shared/openjd/space-parts.ts';
import type { TaskCounts } from '@karst/shared/protocol/job.ts';
import { expect } from 'vitest';
import type { FarmModel } from './farm-model.ts';
import { fedOf, terminal } from './model-state.ts';
import type { StoredFarm } from './real-farm.ts';

const noTasks: TaskCounts = { waiting: 0, running: 0, succeeded: 0, failed: 0, canceled: 0 };

const countsIn = ({ waiting, running, succeeded, failed, canceled }: TaskCounts): TaskCounts => ({
  waiting,
  running,
  succeeded,
  failed,
  canceled,
});

function counted(states: readonly (keyof TaskCounts)[]): TaskCounts {
  const counts = { ...noTasks };
  for (const state of states) counts[state] += 1;
  return counts;
}

/** What must hold of any stored job (DESIGN section 5), whatever was done to it. */
export function checkInvariants({ job, definition, steps }: StoredFarm): void {
  const states = steps.map(({ facts }) => facts.map(({ state }) => state));
  for (const [i, { record, facts, spans, isChunked, order }] of steps.entries()) {
    const { taskCount, parameterSpace } = definition.steps[i] ?? {};
    expect(record.total, `tasks of step ${i}`).toBe(taskCount);
    const fedTasks = fedOf(order, partSizes(parameterSpace), record.cursor);
    expect(countsIn(record), `counters of step ${i}`).toEqual(counted(states[i] ?? []));
    const open = !terminal.has(record.state);
    for (const { index, state } of facts) {
      const holding = spans.filter(({ first, last }) => first <= index && index <= last);
      const fed = fedTasks.has(index);
      checkPair(holding, `task ${index} of step ${i}`);
      const wanted =
        state === 'running' ? 'leased' : state === 'waiting' && fed ? 'queued' : 'none';
      const originals = holding.filter((span) => !isRerun(span));
      const found = originals.map((span) => span.state).join() || 'none';
      expect(found, `span of task ${index} of step ${i} (${state})`).toBe(wanted);
    }
    for (const { index } of facts) checkChunk(index, isChunked && index < record.cursor, facts);
    const ended = facts.every(({ state }) => terminal.has(state));
    expect(ended, `step ${i} is ${record.state}`).toBe(!open);
  }
  expect(job.taskCounts, "the job's counters").toEqual(counted(states.flat()));
  const allEnded = steps.every(({ record }) => terminal.has(record.state));
  expect(allEnded, `the job is ${job.state}`).toBe(terminal.has(job.state));
}

const isRerun = (span: Span): boolean =>
  span.state === 'queued'
    ? span.original !== undefined
    : span.state === 'leased' && (span.partner ?? 0) > 0 && (span.partner ?? 0) < span.spanId;

/** Who has a partner is one of exactly two spans of the same tasks, on two nodes, that know each other. */
function checkPair(holding: readonly Span[], of: string): void {
  const [original, rerun] = holding;
  const isPaired = (span: Span) =>
    isRerun(span) || (span.state === 'leased' && (span.partner ?? 0) > 0);
  if (!holding.some(isPaired)) return;
  expect(holding, `spans of ${of}`).toHaveLength(2);
  if (original?.state !== 'leased' || rerun === undefined) throw new Error(`${of}: no original`);
  expect(original, of).toMatchObject({ first: rerun.first, last: rerun.last });
  expect(original.partner, of).toBe(rerun.spanId);
  if (rerun.state === 'done') throw new Error(`${of}: done, but of no gang`);
  expect(rerun.state === 'queued' ? rerun.original : rerun.partner, of).toBe(original.spanId);
  if (rerun.state === 'leased') expect(rerun.nodeId, of).not.toBe(original.nodeId);
}

/** Where chunks adapt, every task that was fed is in one chunk, whose tasks are all in its state. */
function checkChunk(
  index: number,
  hasChunk: boolean,
  facts: StoredFarm['steps'][number]['facts'],
): void {
  const chunk = facts[index]?.chunk;
  expect(chunk !== undefined, `task ${index} has a chunk`).toBe(hasChunk);
  if (chunk === undefined) return;
  expect(chunk.first <= index && index <= chunk.last, `task ${index} is in its chunk`).toBe(true);
  const together = facts.slice(chunk.first, chunk.last + 1);
  const states = new Set(together.map(({ state }) => state));
  expect([...states], `states of the chunk of task ${index}`).toHaveLength(1);
  for (const other of together) expect(other.chunk).toEqual(chunk);
}

/** Tasks, steps and jobs that ended stay so unless a person lets them run again. */
export function checkTerminalStays(before: StoredFarm, after: StoredFarm): void {
  if (terminal.has(before.job.state)) expect(after.job.state).toBe(before.job.state);
  for (const [i, step] of before.steps.entries()) {
    for (const { index, state } of step.facts) {
      if (!terminal.has(state)) continue;
      expect(after.steps[i]?.facts[index]?.state, `task ${index} of step ${i}`).toBe(state);
    }
  }
}

/** What is stored and what the model says, in the same words. */
export function checkAgainstModel(model: FarmModel, { job, steps }: StoredFarm): void {
  const stored = {
    job: job.state,
    steps: steps.map(({ record, facts, spans }) => ({
      state: record.state,
      cursor: record.cursor,
      tasks: facts.map(({ state, failures }) => `${state} ${failures}`),
      spans: spans.map((span) =>
        span.state !== 'leased'
          ? `${span.spanId}: ${span.first}-${span.last} queued ${'original' in span ? span.original : undefined}`
          : `${span.spanId}: ${span.first}-${span.last} ${span.leaseId} ${span.nodeId} ${span.epoch} ${span.partner}`,
      ),
    })),
  };
  const modelled = {
    job: model.jobState,
    steps: model.steps.map(({ state, cursor, tasks, spans }) => ({
      state,
      cursor,
      tasks: tasks.map((task) => `${task.state} ${task.failures}`),
      spans: [...spans].map(([id, { first, last, lease, original, partner }]) =>
        lease === undefined
          ? `${id}: ${first}-${last} queued ${original}`
          : `${id}: ${first}-${last} ${lease.leaseId} ${lease.nodeId} ${lease.epoch} ${partner}`,
      ),
    })),
  };
  for (const step of modelled.steps) {
    step.spans.sort((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10));
  }
  expect(stored).toEqual(modelled);
}
