import { rangesFrom } from '@karst/orchestrator/domain/task-order.ts';
import type { LeaseRef } from '@karst/orchestrator/store/keys.ts';
import {
  type LeaseId,
  leaseIdSchema,
  type NodeId,
  nodeIdSchema,
} from '@karst/shared/protocol/ids.ts';
import fc from 'fast-check';
import { expect } from 'vitest';
import type { FarmModel } from './farm-model.ts';
import { resultsOf, type Telling, telling, wordsOf } from './farm-tellings.ts';
import { checkAgainstModel, checkInvariants, checkTerminalStays } from './invariants.ts';
import { FAULTS_MAX, type ModelResult, SPAN_TASKS_MAX } from './model-state.ts';
import type { RealFarm } from './real-farm.ts';

/** A lease as the node that took it knows it, for as long as it likes to. */
interface Granted {
  lease: LeaseRef;
  nodeId: NodeId;
  first: number;
  last: number;
}

/** What a run of commands shares: the two farms, and every lease there ever was. */
export interface Pair {
  real: RealFarm;
  granted: Granted[];
}

type Command = fc.AsyncCommand<FarmModel, Pair>;

const nodes = [1, 2, 3]
  .map((n) => `node-${n.toString().padStart(20, '0')}`)
  .map((id) => nodeIdSchema.parse(id));
const leaseId = (n: number): LeaseId =>
  leaseIdSchema.parse(`00000000-0000-4000-8000-${n.toString(16).padStart(12, '0')}`);

const pick = <T>(from: readonly T[], at: number): T | undefined => from[at % from.length];

/** A command that is checked on every side after it was carried out. */
function command(
  label: string,
  run: (model: FarmModel, pair: Pair) => Promise<void>,
  reopens = false,
): Command {
  return {
    check: () => true,
    toString: () => label,
    async run(model, pair) {
      const before = await pair.real.read();
      await run(model, pair);
      const after = await pair.real.read();
      checkInvariants(after);
      checkAgainstModel(model, after);
      if (!reopens) checkTerminalStays(before, after);
    },
  };
}

/** Makes spans of `size` tasks, or chunks; `off`: of chunks, as seen from a cursor that is elsewhere. */
async function makeSpans(
  model: FarmModel,
  real: RealFarm,
  step: number,
  { size, count, off = 0 }: { size: number; count: number; off?: number },
): Promise<void> {
  const { chunks, cursor, tasks, sizes, order } = model.step(step);
  if (order !== 'ascending') {
    const limit = model.limit(model.step(step));
    const from = Math.min(cursor + off, limit);
    const bounds = { from, to: limit, size, count };
    const { ranges, next } = rangesFrom(order, sizes, bounds);
    const listed = { cursor: from, next, ranges };
    const made = await real.spans.listTasks(real.jobId, step, listed);
    const spanIds = made === 'moved' ? made : made.spanIds;
    expect(spanIds).toEqual(model.feedListed(step, from, next, ranges));
    return;
  }
  if (chunks === undefined) {
    const { spanIds } = await real.spans.createSpans(real.jobId, step, size, count);
    expect(spanIds).toEqual(model.feed(step, size, count));
    return;
  }
  const from = cursor + off;
  const lasts: number[] = [];
  for (let first = from; first < tasks.length && lasts.length < count; first += size) {
    lasts.push(Math.min(first + size, tasks.length) - 1);
  }
  const made = await real.spans.createChunks(real.jobId, step, from, lasts);
  const spanIds = made === 'moved' ? made : made.spanIds;
  expect(spanIds).toEqual(model.feedChunks(step, from, lasts));
}

const feed = (at: number, size: number, count: number, off: number) =>
  command(`feed(${at}, ${size}, ${count}, ${off})`, async (model, { real }) => {
    await makeSpans(model, real, at % model.steps.length, { size, count, off });
  });

const release = (at: number) =>
  command(`release(${at})`, async (model, { real }) => {
    const step = at % model.steps.length;
    expect(await real.control.releaseStep(real.jobId, step)).toBe(model.release(step));
  });

async function grantOne(
  model: FarmModel,
  pair: Pair,
  step: number,
  spanId: number,
  on: number,
  suitableNodes = 0,
) {
  const { real, granted } = pair;
  const nodeId = pick(nodes, on) ?? nodeIdSchema.parse('');
  const id = leaseId(granted.length + 1);
  const wanted = [{ spanId, leaseId: id }];
  const nowMs = real.nowMs();
  const reply = await real.spans.grant(real.jobId, step, nodeId, nowMs, wanted, suitableNodes);
  const expected = model.grant(step, spanId, id, nodeId, suitableNodes);
  if (reply.status === 'held' || expected === 'held') {
    expect(reply.status).toBe(expected);
    return undefined;
  }
  const isAvoided = expected === 'avoided';
  expect([...reply.avoided]).toEqual(isAvoided ? [spanId] : []);
  expect(reply.spans).toEqual([isAvoided ? null : (expected ?? null)]);
  if (expected === undefined || isAvoided) return undefined;
  const { epoch, first, last } = expected;
  const lease = { jobId: real.jobId, step, spanId, leaseId: id, epoch };
  const held = { lease, nodeId, first, last };
  granted.push(held);
  return held;
}

/** Grants one of the spans there are, or, now and then, one that never was. */
const grant = (at: number, which: number, on: number, suitableNodes: number) =>
  command(`grant(${at}, ${which}, ${on}, ${suitableNodes})`, async (model, pair) => {
    const step = at % model.steps.length;
    const ids = [...model.step(step).spans.keys()];
    const spanId = pick([...ids, 9999], which) ?? 9999;
    await grantOne(model, pair, step, spanId, on, suitableNodes);
  });

async function rerunOne(model: FarmModel, real: RealFarm, { lease, nodeId }: Granted) {
  const spanId = await real.spans.rerun(lease);
  expect(spanId).toBe(model.rerun(lease.step, lease.spanId, { ...lease, nodeId }));
  return spanId;
}

/** Under any lease there ever was. */
const rerun = (which: number) =>
  command(`rerun(${which})`, async (model, { real, granted }) => {
    const held = pick(granted, which);
    if (held !== undefined) await rerunOne(model, real, held);
  });

/** Takes a short span, and its rerun, to two nodes. */
const runTwice = (at: number, which: number, on: number) =>
  command(`runTwice(${at}, ${which}, ${on})`, async (model, pair) => {
    const step = at % model.steps.length;
    await makeSpans(model, pair.real, step, { size: 1, count: 1 });
    const spanId = pick([...model.step(step).spans.keys()].reverse(), which % 2);
    const held = spanId === undefined ? undefined : await grantOne(model, pair, step, spanId, on);
    if (held === undefined) return;
    const again = await rerunOne(model, pair.real, held);
    if (again === undefined) return;
    await grantOne(model, pair, step, again, on);
    await grantOne(model, pair, step, again, on + 1);
  });

interface Told {
  lease: LeaseRef;
  nodeId: NodeId;
  results: readonly ModelResult[];
}

/** One call of a node, about leases of one step. */
async function tell(
  model: FarmModel,
  real: RealFarm,
  nodeId: NodeId,
  [first, ...others]: readonly Told[],
): Promise<void> {
  if (first === undefined) return;
  const told = [first, ...others];
  const leases = told.map(({ lease, results }) => ({
    ...lease,
    results: wordsOf(results, nodeId, lease.epoch),
  }));
  const reply = await real.spans.report(nodeId, first.lease, real.nowMs(), leases);
  const reports = told.map(({ lease: { spanId, leaseId: id, epoch }, results }) => ({
    spanId,
    lease: { leaseId: id, nodeId, epoch },
    results,
  }));
  const statuses = reply.leases.map(({ status }) => status);
  expect(statuses).toEqual(model.report(first.lease.step, reports));
}

/**
 * A report under leases of a step that there ever were: live, ended, of another epoch or node, repeated,
 * garbled.
 */
const report = (tellings: readonly Telling[]) =>
  command(`report(${JSON.stringify(tellings)})`, async (model, { real, granted }) => {
    const told = tellings.flatMap((telling): Told[] => {
      const held = pick(granted, telling.which);
      if (held === undefined) return [];
      const epoch = held.lease.epoch + (telling.fault === 'epoch' ? 1 : 0);
      const other = nodes.find((id) => id !== held.nodeId) ?? held.nodeId;
      const nodeId = telling.fault === 'node' ? other : held.nodeId;
      const isChunk = model.step(held.lease.step).chunks !== undefined;
      const lease = { ...held.lease, epoch };
      return [{ lease, nodeId, results: resultsOf(telling, held, isChunk) }];
    });
    const [first] = told;
    if (first === undefined) return;
    const ofStep = told.filter(({ lease }) => lease.step === first.lease.step);
    await tell(model, real, first.nodeId, ofStep);
  });

async function expireOne(model: FarmModel, real: RealFarm, lease: LeaseRef, nodeId: NodeId) {
  const record = JSON.stringify({ e: lease.epoch, n: nodeId, o: 'lost' });
  const { expired } = await real.spans.expire(lease, real.nowMs(), record);
  expect(expired).toBe(model.expire(lease.step, lease.spanId, { ...lease, nodeId }));
}

const expire = (which: number) =>
  command(`expire(${which})`, async (model, { real, granted }) => {
    const held = pick(granted, which);
    if (held !== undefined) await expireOne(model, real, held.lease, held.nodeId);
  });

/** Feeds, grants and finishes all that a step has left, so that runs get to its end and behind it. */
const finish = (at: number) =>
  command(`finish(${at})`, async (model, pair) => {
    const step = at % model.steps.length;
    const { real } = pair;
    await makeSpans(model, real, step, { size: 4, count: 9 });
    for (const spanId of [...model.step(step).spans.keys()]) {
      const held = await grantOne(model, pair, step, spanId, spanId);
      if (held === undefined) continue;
      const { first, last } = held;
      const results = [{ code: 'b', first, last }] as const;
      await tell(model, real, held.nodeId, [{ ...held, results }]);
    }
  });

/** Loses every node that a span goes to, until its first task is given up. */
const wearOut = (at: number, which: number) =>
  command(`wearOut(${at}, ${which})`, async (model, pair) => {
    const step = at % model.steps.length;
    const spanId = pick([...model.step(step).spans.keys()], which);
    if (spanId === undefined) return;
    for (let n = 0; n <= FAULTS_MAX; n++) {
      const held = await grantOne(model, pair, step, spanId, n);
      if (held === undefined) return;
      await expireOne(model, pair.real, held.lease, held.nodeId);
    }
  });

const cancel = () =>
  command('cancel', async (model, { real }) => {
    const { stateBefore } = await real.control.cancel(real.jobId, real.nowMs());
    expect(stateBefore).toBe(model.jobState);
    model.cancel();
  });

const pause = (paused: boolean) =>
  command(paused ? 'pause' : 'resume', async (model, { real }) => {
    expect(await real.control.setPaused(real.jobId, paused)).toBe(model.jobState);
    model.setPaused(paused);
  });

const retry = (only: number | undefined) =>
  command(
    `retry(${only})`,
    async (model, { real }) => {
      const chosen = only === undefined ? undefined : only % model.steps.length;
      for (const step of model.retryable(chosen)) {
        const nowMs = real.nowMs();
        const reply = await real.control.retryStep(real.jobId, step, nowMs, SPAN_TASKS_MAX);
        expect(reply.retried).toBe(model.retry(step));
      }
    },
    true,
  );

const requeue = (at: number, task: number) =>
  command(
    `requeue(${at}, ${task})`,
    async (model, { real }) => {
      const step = at % model.steps.length;
      const index = task % model.step(step).tasks.length;
      const reply = await real.control.requeueTask(real.jobId, step, index, real.nowMs());
      expect(reply.stateBefore).toBe(model.requeue(step, index));
    },
    true,
  );

const extend = (at: number, tasks: number, isStale: boolean) =>
  command(
    `extend(${at}, ${tasks}, ${isStale})`,
    async (model, { real }) => {
      const step = at % model.steps.length;
      const isExtended = !isStale && model.extend(step, tasks);
      expect(await real.extend(step, tasks, isStale)).toBe(isExtended);
    },
    true,
  );

const small = fc.nat(7);
const size = fc.integer({ min: 1, max: 4 });
const off = fc.constantFrom(0, 0, 0, 0, 1);

/** Commands in the proportions in which they get a job somewhere. */
export const commandArbitraries: fc.Arbitrary<Command>[] = [
  ...Array.from({ length: 3 }, () => fc.tuple(small, size, size, off).map((of) => feed(...of))),
  ...Array.from({ length: 5 }, () =>
    fc.tuple(small, small, small, fc.nat(4)).map((of) => grant(...of)),
  ),
  ...Array.from({ length: 7 }, () => fc.array(telling, { minLength: 1, maxLength: 3 }).map(report)),
  ...Array.from({ length: 2 }, () => small.map(finish)),
  fc.nat(30).map(expire),
  fc.nat(30).map(rerun),
  ...Array.from({ length: 2 }, () => fc.tuple(small, small, small).map((of) => runTwice(...of))),
  fc.tuple(small, small).map((of) => wearOut(...of)),
  fc.constant(null).map(cancel),
  small.map(release),
  fc.boolean().map(pause),
  fc.constant(null).map(() => pause(false)),
  fc.option(small, { nil: undefined }).map(retry),
  fc.constant(null).map(() => retry(undefined)),
  fc.tuple(small, small).map((of) => requeue(...of)),
  fc.tuple(small, size, fc.constantFrom(false, false, false, true)).map((of) => extend(...of)),
];
