import { Budgets, budgetGates } from '@karst/orchestrator/scheduler/budgets.ts';
import { explainStep } from '@karst/orchestrator/scheduler/explain.ts';
import { priorityClasses } from '@karst/orchestrator/scheduler/ranking.ts';
import { NodeView, Scheduler } from '@karst/orchestrator/scheduler/scheduler.ts';
import { shapeOf } from '@karst/orchestrator/scheduler/shape.ts';
import { Shares } from '@karst/orchestrator/scheduler/shares.ts';
import { stepExplanationSchema, type WaitReason } from '@karst/shared/protocol/explain.ts';
import type { Resources } from '@karst/shared/protocol/lease.ts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type CountedStep, farmFacts, granted, nodeFacts, waitingFacts } from './explaining.ts';
import { capabilitiesOf } from './nodes.ts';
import { stepOf } from './steps.ts';

const step = (n: number, given: Partial<CountedStep> = {}): CountedStep => ({
  counters: [],
  ...stepOf(n, given),
  ...given,
});
const kinds = (reasons: readonly WaitReason[]) => reasons.map(({ kind }) => kind);

const gpus = (min: number) =>
  shapeOf({ amounts: [{ name: 'amount.worker.gpu', min }], attributes: [] });
const gpuNode = (count: number) =>
  Array.from({ length: count }, (_, index) => ({ index, model: 'a100', memoryMib: 40_960 }));

const shapes = [
  shapeOf(undefined),
  gpus(1),
  gpus(2),
  shapeOf({ amounts: [{ name: 'amount.worker.vcpu', min: 6 }], attributes: [] }),
  shapeOf(undefined, { pool: 'night' }),
  shapeOf(undefined, { regions: ['eu'] }),
];
const stepArbitrary = fc.record({
  studio: fc.constantFrom('a', 'b', 'c'),
  project: fc.constantFrom('p', 'q'),
  shape: fc.constantFrom(...shapes),
  priorityClass: fc.constantFrom(...priorityClasses),
  priority: fc.integer({ min: 0, max: 3 }),
  createdAtMs: fc.integer({ min: 0, max: 5 }),
  gates: fc.subarray(['limit:g', 'limit:h']),
});
const sixCores = shapeOf({ amounts: [{ name: 'amount.worker.vcpu', min: 6 }], attributes: [] });
const oneCore = shapeOf({ amounts: [{ name: 'amount.worker.vcpu', min: 1 }], attributes: [] });
const nodeArbitrary = fc.record({
  devices: fc.constantFrom(0, 1, 2),
  region: fc.constantFrom('eu', 'us', undefined),
  pool: fc.constantFrom('default', 'night'),
  slots: fc.constantFrom(0, 1, 2),
  leaseCount: fc.constantFrom(0, 0, 1),
  online: fc.constantFrom(true, true, true, false),
  poolClosed: fc.constantFrom(false, false, false, true),
  hold: fc.constantFrom(undefined, undefined, { kind: 'draining' as const, reason: 'an operator' }),
  message: fc.constantFrom(undefined, undefined, 'the disk is full'),
  used: fc.constantFrom<Resources[]>([], [{ vcpus: 4, memoryMib: 0, scratchGib: 0, gpus: [0] }]),
  admission: fc.constantFrom(
    {},
    { studios: ['a'] },
    { classes: ['urgent' as const] },
    { exclusive: true },
  ),
});

describe('explainStep', () => {
  it('tells a reason of every step, and `next` of exactly those that some node would get', () => {
    fc.assert(
      fc.property(
        fc.array(stepArbitrary, { minLength: 1, maxLength: 8 }),
        fc.array(nodeArbitrary, { maxLength: 5 }),
        fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.integer({ min: 0, max: 100 })), {
          maxLength: 5,
        }),
        fc.subarray(['limit:g', 'limit:h']),
        fc.subarray(['a', 'b/p', 'b/q', 'c']),
        (given, nodesGiven, charges, full, poor) => {
          const scheduler = new Scheduler<CountedStep>(new Shares(1000, 0));
          const steps = given.map(({ gates, ...each }, n) =>
            step(n, {
              ...each,
              gates: [...gates, ...budgetGates(each)],
              counters: gates.map((name) => ({ name, amount: 1, host: false })),
            }),
          );
          for (const each of steps) scheduler.ranking.add(each);
          for (const [studio, cost] of charges) {
            scheduler.account({ studio, project: 'p' }, cost, 1, 0);
          }
          for (const gate of full) scheduler.ranking.close(gate);
          const budgets = new Budgets();
          const gates = budgets.setBudgets(new Map(poor.map((account) => [account, 0])));
          for (const gate of gates) scheduler.ranking.close(gate);
          const nodes = nodesGiven.map(({ devices, region, pool, ...each }, n) =>
            nodeFacts(n, {
              ...each,
              capabilities: capabilitiesOf({
                name: `n${n}`,
                devices: gpuNode(devices),
                region,
                pool,
              }),
            }),
          );
          const farm = farmFacts(scheduler, nodes, {
            budgets,
            ledger: {
              count: () => 3,
              max: (name) => (full.includes(name) ? 3 : undefined),
              countsOn: () => false,
            },
          });
          const chosen = new Set(nodes.map((node) => granted(scheduler, node)));
          for (const each of steps) {
            const { ahead: _, competing: __, ...told } = explainStep(waitingFacts(each), farm);
            expect(told.reasons.length).toBeGreaterThan(0);
            expect(told.summary).not.toBe('');
            for (const { text } of told.reasons) expect(text).toMatch(/^[A-Z0-9].*\.$/);
            expect(kinds(told.reasons).includes('next')).toBe(chosen.has(each));
            const isPoor = poor.some(
              (name) => name === each.studio || name.endsWith(`${each.studio}/${each.project}`),
            );
            expect(kinds(told.reasons).includes('over_budget')).toBe(isPoor);
            // Answered as it is: the schema of the API takes it.
            stepExplanationSchema.shape.reasons.parse(told.reasons);
          }
        },
      ),
      { numRuns: 500 },
    );
  });

  const scheduler = () => new Scheduler<CountedStep>(new Shares(1000, 0));

  it('counts the nodes that fail each test, with the best that there is', () => {
    const nodes = [0, 1, 1].map((n, i) =>
      nodeFacts(i, { capabilities: capabilitiesOf({ name: `n${i}`, devices: gpuNode(n) }) }),
    );
    const told = explainStep(
      waitingFacts(step(1, { shape: gpus(2) })),
      farmFacts(scheduler(), nodes),
    );
    expect(told.nodes).toEqual({ unsuited: 3 });
    expect(told.tests).toEqual([
      { test: 'amount.worker.gpu', nodes: 3, wanted: 'at least 2', has: '1' },
    ]);
    expect(kinds(told.reasons)).toEqual(['unsuited']);
    expect(told.summary).toBe(
      'None of 3 nodes online can run it: they fail amount.worker.gpu (3 nodes: wanted at least 2, has 1).',
    );
  });

  it('tells nothing of nodes whose pool takes other studios only, but their number', () => {
    const nodes = [nodeFacts(1, { admission: { studios: ['rich'] } })];
    const told = explainStep(
      waitingFacts(step(1, { shape: gpus(1) })),
      farmFacts(scheduler(), nodes),
    );
    expect(told.nodes).toEqual({ other_studios: 1 });
    expect(told.tests).toEqual([]);
    expect(told.summary).toContain('1 takes other studios only');
  });

  it.each([
    [{ hold: { kind: 'draining', reason: '' } } as const, 'draining'],
    [{ hold: { kind: 'outside_schedule', reason: '' } } as const, 'outside_schedule'],
    [{ hold: { kind: 'quarantined', reason: '' } } as const, 'quarantined'],
    [{ message: 'the disk is full' }, 'not_ready'],
    [{ poolClosed: true }, 'pool_closed'],
    [{ admission: { exclusive: true } }, 'pool_by_name_only'],
    [{ admission: { classes: ['urgent'] } } as const, 'other_classes'],
  ])('tells of a node that would suit and is kept: %j', (given, standing) => {
    const told = explainStep(waitingFacts(step(1)), farmFacts(scheduler(), [nodeFacts(1, given)]));
    expect(told.nodes).toEqual({ [standing]: 1 });
    expect(kinds(told.reasons)).toEqual(['unavailable']);
    expect(told.summary).toContain('1 node would suit, none takes it now: 1 ');
  });

  it('repeats what the agents say', () => {
    const nodes = ['the disk is full', 'the disk is full', 'somebody works here'].map(
      (message, n) => nodeFacts(n, { message }),
    );
    const told = explainStep(waitingFacts(step(1)), farmFacts(scheduler(), nodes));
    expect(told.summary).toBe(
      '3 nodes would suit, none takes it now: 3 not ready (the disk is full; somebody works here).',
    );
  });

  it('tells what a person holds before anything else, and no more where a node could run it', () => {
    const farm = farmFacts(scheduler(), [nodeFacts(1)]);
    const facts = { paused: true, held: true, waitsFor: ['Preview'] };
    const told = explainStep(waitingFacts(step(1), facts), farm);
    expect(kinds(told.reasons)).toEqual(['paused', 'blocked', 'held']);
    const never = explainStep(waitingFacts(step(1, { shape: gpus(1) }), { held: true }), farm);
    expect(kinds(never.reasons)).toEqual(['held', 'unsuited']);
  });

  it('tells which budgets are spent, and that a node may still be unable to run it', () => {
    const budgets = new Budgets();
    budgets.setBudgets(
      new Map([
        ['pixels', 5000],
        ['pixels/film', 1200],
        ['pixels/advert', 0.01],
      ]),
    );
    budgets.spend(step(1), 1204.46 * 3600);
    budgets.spend(step(1, { project: 'advert' }), 60);
    const told = (each: CountedStep) =>
      explainStep(waitingFacts(each), farmFacts(scheduler(), [nodeFacts(1)], { budgets }));
    expect(told(step(1)).summary).toBe(
      'Over budget: project film has used 1,204.5 of 1,200 core-hours.',
    );
    expect(told(step(1, { project: 'advert' })).summary).toBe(
      'Over budget: project advert has used 0.017 of 0.01 core-hours.',
    );
    expect(kinds(told(step(1, { shape: gpus(1) })).reasons)).toEqual(['over_budget', 'unsuited']);
    budgets.spend(step(1), 4000 * 3600);
    expect(told(step(1)).reasons).toMatchObject([
      {
        kind: 'over_budget',
        budgets: [
          { name: 'studio pixels', budgetCoreHours: 5000 },
          { name: 'project film', budgetCoreHours: 1200 },
        ],
      },
    ]);
    expect(kinds(told(step(1, { studio: 'rivals' })).reasons)).toEqual(['next']);
  });

  it('tells until when failed tasks wait, and that lost ones are put back', () => {
    const farm = farmFacts(scheduler(), [nodeFacts(1)], { nowMs: 1000 });
    const later = explainStep(waitingFacts(step(1), { ready: 0, delayed: 2, dueAtMs: 5000 }), farm);
    expect(later.reasons).toEqual([
      {
        kind: 'backing_off',
        text: 'What waits has failed before; the next try is due in 4 s.',
        until: '1970-01-01T00:00:05.000Z',
      },
    ]);
    const due = explainStep(waitingFacts(step(1), { ready: 0, delayed: 2, dueAtMs: 900 }), farm);
    expect(kinds(due.reasons)).toEqual(['next']);
    const lost = explainStep(waitingFacts(step(1), { ready: 0 }), farm);
    expect(kinds(lost.reasons)).toEqual(['requeueing']);
  });

  it('tells a limit that counts nodes, where no node is counted already', () => {
    const counters = [{ name: 'job:j:nodes', amount: 1, host: true }];
    const [first, second] = [nodeFacts(1, { leaseCount: 1 }), nodeFacts(2)];
    const ledger = (counted: string) => ({
      count: () => 1,
      max: () => 1,
      countsOn: (_: string, nodeId: string) => nodeId === counted,
    });
    const told = (counted: string) =>
      explainStep(
        waitingFacts(step(1, { counters })),
        farmFacts(scheduler(), [first, second], { ledger: ledger(counted) }),
      );
    expect(kinds(told(second.nodeId).reasons)).toEqual(['next']);
    expect(kinds(told(first.nodeId).reasons)).toEqual(['busy']);
    expect(told('gone').reasons).toMatchObject([
      {
        kind: 'limit',
        limits: [{ name: 'nodes of the job', inUse: 1, max: 1, perNode: true }],
      },
    ]);
  });

  it('tells of a node where all that waits failed, while another could take it', () => {
    const [first, second] = [nodeFacts(1), nodeFacts(2, { leaseCount: 1 })];
    const told = (...failedOn: string[]) =>
      explainStep(
        waitingFacts(step(1), { avoided: [new Set(failedOn)] }),
        farmFacts(scheduler(), [first, second]),
      );
    expect(told(first.nodeId)).toMatchObject({
      nodes: { failed_here: 1, busy: 1 },
      summary: 'The one other node that suits is busy; it failed on 1 node lately.',
    });
    expect(kinds(told(second.nodeId).reasons)).toEqual(['next']);
    expect(kinds(told(first.nodeId, second.nodeId).reasons)).toEqual(['next']);
  });

  it('tells that a node is kept free for a larger task that goes first, as the choice has it', () => {
    const one = scheduler();
    const node = nodeFacts(1, { slots: 9 });
    const [large, small, urgent] = [
      step(1, { shape: sixCores }),
      step(2, { shape: oneCore }),
      step(3, { shape: oneCore, priorityClass: 'urgent' }),
    ];
    one.ranking.add(large);
    one.ranking.add(small);
    const busy = { ...node, used: [{ vcpus: 4, memoryMib: 0, scratchGib: 0, gpus: [] }] };
    const ask = (nowMs: number) =>
      one.choose(new NodeView(busy.capabilities, busy.used), undefined, undefined, nowMs);
    const told = (each: CountedStep, nowMs: number) =>
      explainStep(
        waitingFacts(each),
        farmFacts(one, [busy], { keptFor: (name) => one.keptFor(name, nowMs), nowMs }),
      );
    expect(ask(1)).toBe(small);
    expect(kinds(told(small, 1).reasons)).toEqual(['next']);
    expect(ask(600_000)).toBeUndefined();
    expect(told(small, 600_000).summary).toBe(
      '1 node would suit, none takes it now: 1 kept free for a larger task that goes first.',
    );
    expect(kinds(told(large, 600_000).reasons)).toEqual(['busy']);
    one.ranking.add(urgent);
    expect(ask(600_000)).toBe(urgent);
    expect(kinds(told(urgent, 600_000).reasons)).toEqual(['next']);
  });

  it('counts who is ahead, by what puts them there, without naming other studios', () => {
    const one = scheduler();
    const mine = step(5);
    one.ranking.add(mine);
    one.ranking.add(step(1));
    one.ranking.add(step(6, { priority: 70 }));
    one.ranking.add(step(7, { studio: 'secret', priorityClass: 'urgent' }));
    one.ranking.add(step(8, { studio: 'other' }));
    one.ranking.add(step(9));
    one.account(mine, 100, 1, 0);
    const told = explainStep(
      waitingFacts(mine, { running: 1 }),
      farmFacts(one, [nodeFacts(1, { leaseCount: 1 })]),
    );
    expect(told.reasons[1]).toMatchObject({
      kind: 'behind',
      ahead: [
        { by: 'class', own: false, studios: 1, steps: 1, tasks: 1 },
        { by: 'share', own: false, studios: 1, steps: 1, tasks: 1 },
        { by: 'priority', own: true, studios: 1, steps: 1, tasks: 1 },
        { by: 'age', own: true, studios: 1, steps: 1, tasks: 1 },
      ],
    });
    expect(told.summary).toBe(
      '1 task runs. The one node that suits is busy. First come 1 task in 1 step of 1 other studio ' +
        '(a higher class), 1 task in 1 step of 1 other studio (less of their share used), 1 task in ' +
        '1 step of your own studio (a higher priority), 1 task in 1 step of your own studio (an ' +
        'earlier submission).',
    );
    expect(JSON.stringify(told.reasons)).not.toContain('secret');
  });
});
