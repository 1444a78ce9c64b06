import { Engine } from '@karst/orchestrator/simulator/engine.ts';
import type { Observer, TaskEnd } from '@karst/orchestrator/simulator/observer.ts';
import { makePolicy } from '@karst/orchestrator/simulator/policies/make-policy.ts';
import type { Policy, PolicyName } from '@karst/orchestrator/simulator/policies/policy.ts';
import type { SimLease, SimNode } from '@karst/orchestrator/simulator/sim-node.ts';
import type { SimJob, SimStep } from '@karst/orchestrator/simulator/sim-step.ts';
import type { Trace } from '@karst/orchestrator/simulator/trace.ts';
import { limitMaxForFarm } from '@karst/shared/protocol/farm-settings.ts';
import type { FarmFile } from '@karst/shared/simulation/farm-file.ts';
import { expect } from 'vitest';

const taskName = (step: SimStep, task: number) => `${step.jobId}/${step.step}/${task}`;

/** Keeps its own books of everything that happens, and holds them against what the farm has. */
export class Auditor implements Observer {
  readonly up = new Set<SimNode>();
  readonly leases = new Set<SimLease>();
  /** Every lease there ever was. */
  readonly began: { lease: SimLease; atMs: number }[] = [];
  readonly ends = new Map<string, TaskEnd>();
  readonly waits = new Map<string, number>();
  readonly lost: string[] = [];
  readonly preempted: string[] = [];
  readonly retried: string[] = [];
  readonly jobEnds: { job: SimJob; atMs: number }[] = [];
  ticks = 0;
  private readonly farm: FarmFile;
  private readonly policy: Policy;

  constructor(farm: FarmFile, policy: Policy) {
    this.farm = farm;
    this.policy = policy;
  }

  nodeUp(node: SimNode): void {
    expect(this.up.has(node)).toBe(false);
    this.up.add(node);
  }

  nodeDown(node: SimNode): void {
    expect(this.up.delete(node)).toBe(true);
    expect([...this.leases].filter((lease) => lease.node === node)).toEqual([]);
  }

  backlog(): void {
    // The fairness tests look at that.
  }

  leaseBegan(lease: SimLease, nowMs: number): void {
    expect(this.up.has(lease.node)).toBe(true);
    this.leases.add(lease);
    this.began.push({ lease, atMs: nowMs });
    this.checkNode(lease.node);
    this.checkCeilings(lease);
    for (const step of lease.step.job.steps) {
      const isBefore = lease.step.trace.dependsOn.includes(step.step);
      if (isBefore) expect(step.ended).toBe(step.trace.tasks);
    }
  }

  leaseEnded(lease: SimLease): void {
    expect(this.leases.delete(lease)).toBe(true);
  }

  taskStarted(step: SimStep, task: number, waitMs: number): void {
    expect(waitMs).toBeGreaterThanOrEqual(0);
    expect(this.waits.has(taskName(step, task))).toBe(false);
    this.waits.set(taskName(step, task), waitMs);
  }

  taskEnded(step: SimStep, task: number, end: TaskEnd): void {
    expect(task).toBeLessThan(step.trace.tasks);
    expect(this.ends.get(taskName(step, task))).toBeUndefined();
    if (end !== 'canceled') expect(this.waits.has(taskName(step, task))).toBe(true);
    this.ends.set(taskName(step, task), end);
  }

  taskRetries(step: SimStep, task: number): void {
    this.retried.push(taskName(step, task));
  }

  taskLost(step: SimStep, task: number): void {
    this.lost.push(taskName(step, task));
  }

  taskPreempted(step: SimStep, task: number): void {
    this.preempted.push(taskName(step, task));
  }

  jobStarted(job: SimJob, nowMs: number): void {
    expect(nowMs).toBeGreaterThanOrEqual(job.trace.arrivalMs);
  }

  jobEnded(job: SimJob, nowMs: number): void {
    for (const step of job.steps) expect(step.ended).toBe(step.trace.tasks);
    this.jobEnds.push({ job, atMs: nowMs });
  }

  /** No node stands idle before a task that it could run. */
  tick(): void {
    this.ticks++;
    for (const node of this.up) {
      if (node.hasSlot) expect(this.policy.choose(node.view, undefined)).toBeUndefined();
    }
  }

  private checkNode(node: SimNode): void {
    const held = [...this.leases].filter((lease) => lease.node === node);
    const sum = (of: (lease: SimLease) => number) => held.reduce((all, each) => all + of(each), 0);
    const { vcpus, memoryMib, devices } = node.capabilities;
    expect(held.length).toBeLessThanOrEqual(node.group.slots);
    expect(sum(({ resources }) => resources?.vcpus ?? 0)).toBeLessThanOrEqual(vcpus);
    expect(sum(({ resources }) => resources?.memoryMib ?? 0)).toBeLessThanOrEqual(memoryMib);
    const gpus = held.flatMap(({ resources }) => resources?.gpus ?? []);
    expect(new Set(gpus).size).toBe(gpus.length);
    for (const gpu of gpus) expect(gpu).toBeLessThan(devices.length);
    for (const { step, resources } of held) {
      expect(resources?.gpus.length ?? 0).toBe(step.shape.demand?.gpus ?? 0);
    }
  }

  private checkCeilings({ step }: SimLease): void {
    const { studio: name } = step;
    const studio = this.farm.studios.find((each) => each.name === name);
    const own = [...this.leases].filter((lease) => lease.step.studio === name);
    const most = (max: number | undefined) => max ?? Number.POSITIVE_INFINITY;
    const cards = own.reduce((sum, { resources }) => sum + (resources?.gpus.length ?? 0), 0);
    expect(own.length).toBeLessThanOrEqual(most(studio?.maxTasks));
    expect(cards).toBeLessThanOrEqual(most(studio?.maxGpus));
    expect(new Set(own.map(({ node }) => node)).size).toBeLessThanOrEqual(most(studio?.maxNodes));
    for (const limit of step.trace.limits) {
      const settings = this.farm.limits[limit];
      if (settings === undefined) continue;
      const holders = [...this.leases].filter((lease) => lease.step.trace.limits.includes(limit));
      const held =
        settings.per === 'host' ? new Set(holders.map(({ node }) => node)).size : holders.length;
      expect(held).toBeLessThanOrEqual(limitMaxForFarm(settings));
    }
  }
}

/** Runs a trace under the auditor's eyes. */
export function audit(
  farm: FarmFile,
  trace: Trace,
  options: { policy?: PolicyName; seed?: number; sampleMs?: number } = {},
): Auditor {
  const { policy: name = 'karst', seed = 1, sampleMs = 600_000 } = options;
  const policy = makePolicy(name, farm);
  const observer = new Auditor(farm, policy);
  new Engine({ farm, trace, seed, policy, observer, sampleMs }).run();
  expect(observer.leases.size).toBe(0);
  return observer;
}
