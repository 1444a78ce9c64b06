import type { FarmFile } from '@karst/shared/simulation/farm-file.ts';
import { spanSize } from '../domain/span-size.ts';
import type { Shape } from '../scheduler/shape.ts';
import { Backlog } from './backlog.ts';
import { EventQueue } from './event-queue.ts';
import { Gates } from './gates.ts';
import { drawLifeMs, drawRepairMs, joinsAtMs, leavesAtMs, makeNodes } from './node-life.ts';
import type { Observer } from './observer.ts';
import type { Policy } from './policies/policy.ts';
import { Preemption } from './preemption.ts';
import { keyOf, subkey } from './random-stream.ts';
import type { SimLease, SimNode } from './sim-node.ts';
import { SimJob, type SimStep, type Span } from './sim-step.ts';
import { TaskEnds } from './task-ends.ts';
import type { Trace } from './trace.ts';

type SimEvent =
  | { kind: 'arrive' }
  | { kind: 'join' | 'leave' | 'fail' | 'repair'; node: SimNode }
  | { kind: 'end'; lease: SimLease }
  | { kind: 'retry'; step: SimStep; span: Span }
  | { kind: 'preempt' }
  | { kind: 'tick' };

export interface EngineParts {
  farm: FarmFile;
  trace: Trace;
  seed: number;
  policy: Policy;
  observer: Observer;
  sampleMs: number;
}

/**
 * One farm, one trace, one policy, on a virtual clock. Nodes ask when they have a slot, as agents do;
 * whoever is asked is the policy, the rest is the same for all.
 */
export class Engine {
  private readonly parts: EngineParts;
  private readonly events = new EventQueue<SimEvent>();
  private readonly gates: Gates;
  private readonly backlog: Backlog;
  private readonly ends: TaskEnds;
  private readonly nodes: SimNode[];
  private readonly preemption: Preemption | undefined;
  /** Nodes with a free slot, the longest waiting first. */
  private readonly waiting = new Set<SimNode>();
  /** Nodes that got a slot free at this moment, shapes that got work, gates that opened. */
  private readonly freed = new Set<SimNode>();
  private readonly offered = new Set<Shape>();
  private readonly opened = new Set<string>();
  private readonly suited = new Map<string, boolean>();
  private nowMs = 0;
  private arrived = 0;
  private leases = 0;
  private slotsUp = 0;
  /** Events to come that may bring work on: leases, retries, nodes. */
  private pending = 0;
  /** Tasks of jobs that arrived, not ended, and able to. */
  private live = 0;

  constructor(parts: EngineParts) {
    this.parts = parts;
    const { farm, seed, observer } = parts;
    this.gates = new Gates(farm);
    this.nodes = makeNodes(farm, seed);
    this.backlog = new Backlog((studio, is) => observer.backlog(studio, is, this.nowMs));
    this.ends = new TaskEnds(farm, observer, {
      retry: (step, span, afterMs) => this.later(afterMs, { kind: 'retry', step, span }),
      giveBack: (step, span) => this.giveBack(step, span),
      ended: (step, tasks) => this.tasksEnded(step, tasks),
      ready: (step) => this.ready(step),
    });
    this.preemption = this.makePreemption();
  }

  private makePreemption(): Preemption | undefined {
    const { farm, policy } = this.parts;
    if (policy.scheduler === undefined || !farm.preempt.on) return undefined;
    const parts = {
      settings: farm.preempt,
      scheduler: policy.scheduler,
      nodes: this.nodes,
      room: (step: SimStep) => this.gates.room(step),
      decideAt: (ms: number) => this.events.add(ms, { kind: 'preempt' }),
    };
    return new Preemption(parts, farm);
  }

  /** Runs until every task that can end has. */
  run(): { lastEndMs: number; stoppedAtMs: number } {
    const { trace, observer, sampleMs } = this.parts;
    for (const node of this.nodes) this.later(joinsAtMs(node), { kind: 'join', node });
    this.planArrival();
    this.events.add(sampleMs, { kind: 'tick' });
    let lastEndMs = 0;
    while (this.live > 0 || this.arrived < trace.jobs.length) {
      if (this.pending === 0 && this.arrived >= trace.jobs.length) break;
      this.nowMs = this.events.nextAtMs;
      let isTick = false;
      let isPreemption = false;
      while (this.events.nextAtMs === this.nowMs) {
        const event = this.events.pop();
        if (event === undefined) throw new Error('the queue of events ran dry');
        if (event.kind === 'tick') {
          isTick = true;
          continue;
        }
        if (event.kind === 'preempt') {
          isPreemption = true;
          continue;
        }
        if (event.kind === 'end' && !event.lease.isOver) lastEndMs = this.nowMs;
        this.happen(event);
      }
      this.dispatch();
      if (isPreemption && this.preempt()) this.dispatch();
      if (isTick) {
        observer.tick(this.nowMs);
        this.events.add(this.nowMs + sampleMs, { kind: 'tick' });
      }
    }
    return { lastEndMs, stoppedAtMs: this.nowMs };
  }

  private later(afterMs: number, event: SimEvent): void {
    this.pending++;
    this.events.add(this.nowMs + afterMs, event);
  }

  private happen(event: Exclude<SimEvent, { kind: 'tick' | 'preempt' }>): void {
    switch (event.kind) {
      case 'arrive':
        this.arrive();
        break;
      case 'join':
        this.pending--;
        this.comeUp(event.node);
        this.planLeave(event.node);
        break;
      case 'repair':
        this.pending--;
        this.comeUp(event.node);
        break;
      case 'leave':
        event.node.hasLeft = true;
        this.goDown(event.node);
        break;
      case 'fail':
        this.fail(event.node);
        break;
      case 'end':
        if (event.lease.isOver) break;
        this.pending--;
        this.end(event.lease);
        break;
      case 'retry':
        this.pending--;
        this.giveBack(event.step, event.span);
        break;
    }
  }

  private planArrival(): void {
    const next = this.parts.trace.jobs[this.arrived];
    if (next !== undefined) this.events.add(next.arrivalMs, { kind: 'arrive' });
  }

  private arrive(): void {
    const { trace, seed, observer } = this.parts;
    const source = trace.jobs[this.arrived];
    if (source === undefined) return;
    const job = new SimJob(source, subkey(subkey(seed, keyOf('tasks')), this.arrived));
    this.arrived++;
    if (job.steps.length === 0) observer.jobEnded(job, this.nowMs);
    for (const step of job.steps) {
      this.live += step.trace.tasks;
      if (step.blockedBy === 0) this.ready(step);
    }
    this.planArrival();
  }

  /** A step may run from now on. One that can't ever is left where it is, and its tasks are stranded. */
  private ready(step: SimStep): void {
    step.readyAtMs = this.nowMs;
    step.gates = this.gates.of(step);
    if (!this.isSuited(step) || this.gates.forbid(step)) this.strand(step);
    else if (step.hasWork) this.offer(step);
    else this.ends.closeIfDone(step, this.nowMs);
  }

  /** With it, what depends on it. */
  private strand(step: SimStep): void {
    if (step.isStranded) return;
    step.isStranded = true;
    this.live -= step.trace.tasks;
    for (const other of step.job.steps) {
      if (other.trace.dependsOn.includes(step.step)) this.strand(other);
    }
  }

  private isSuited(step: SimStep): boolean {
    const { shape, studio, priorityClass } = step;
    const name = `${studio}/${priorityClass}/${shape.key}`;
    const known = this.suited.get(name);
    if (known !== undefined) return known;
    const suits = this.nodes.some(({ view, admission: { studios, classes } }) => {
      const admitted =
        (studios?.includes(studio) ?? true) && (classes?.includes(priorityClass) ?? true);
      return admitted && view.suits(shape);
    });
    this.suited.set(name, suits);
    return suits;
  }

  private offer(step: SimStep): void {
    this.parts.policy.add(step);
    this.backlog.step(step, 1);
    this.preemption?.offered(step, this.nowMs);
    this.offered.add(step.shape);
  }

  private giveBack(step: SimStep, span: Span): void {
    if (step.isClosed) return;
    const hadWork = step.hasWork;
    step.putBack(span);
    if (hadWork) this.offered.add(step.shape);
    else this.offer(step);
  }

  private tasksEnded(step: SimStep, tasks: number): void {
    this.live -= tasks;
    if (step.isStranded) throw new Error(`tasks of the stranded step ${step.trace.name} ended`);
  }

  private comeUp(node: SimNode): void {
    if (node.hasLeft) return;
    node.isUp = true;
    this.slotsUp += node.slots;
    this.freed.add(node);
    this.parts.observer.nodeUp(node, this.nowMs);
    const lifeMs = drawLifeMs(node);
    if (lifeMs !== undefined) this.events.add(this.nowMs + lifeMs, { kind: 'fail', node });
  }

  private planLeave(node: SimNode): void {
    const leaveMs = leavesAtMs(node);
    if (leaveMs !== undefined) this.events.add(leaveMs, { kind: 'leave', node });
  }

  private fail(node: SimNode): void {
    if (!node.isUp) return;
    this.goDown(node);
    this.later(drawRepairMs(node), { kind: 'repair', node });
  }

  /** All it runs is lost. */
  private goDown(node: SimNode): void {
    if (!node.isUp) return;
    node.isUp = false;
    node.lastStep = undefined;
    this.slotsUp -= node.slots;
    this.waiting.delete(node);
    this.freed.delete(node);
    for (const lease of [...node.leases]) {
      this.pending--;
      this.release(lease);
      this.ends.lost(lease, this.nowMs);
    }
    this.parts.observer.nodeDown(node, this.nowMs);
  }

  private end(lease: SimLease): void {
    this.release(lease);
    this.freed.add(lease.node);
    this.ends.finished(lease, this.nowMs);
  }

  private release(lease: SimLease): void {
    const { step, node, charge, startedAtMs } = lease;
    const { policy, observer } = this.parts;
    lease.isOver = true;
    node.release(lease);
    if (charge !== undefined) policy.ended(step, charge, this.nowMs - startedAtMs, this.nowMs);
    for (const name of this.gates.release(lease.id, step)) {
      policy.open(name);
      this.opened.add(name);
      const studio = this.gates.studioOf(name);
      if (studio !== undefined) this.backlog.cap(studio, -1);
    }
    this.preemption?.ended(lease);
    observer.leaseEnded(lease, this.nowMs);
  }

  /** Ends leases for steps that have waited long enough, which get their room. Answers whether it did. */
  private preempt(): boolean {
    const evictions = this.preemption?.decide(this.nowMs) ?? [];
    for (const { want, nodeId, leases } of evictions) {
      for (const { lease } of leases) {
        this.pending--;
        this.release(lease);
        this.ends.preempted(lease, this.nowMs);
      }
      const node = this.nodes.find(({ capabilities }) => capabilities.name === nodeId);
      if (node === undefined) continue;
      if (node.view.takes(want.step.shape)) this.grant(node, want.step);
      this.freed.add(node);
    }
    return evictions.length > 0;
  }

  /** Nodes that have room ask, and nodes that wait hear of new work. */
  private dispatch(): void {
    for (const node of this.freed) {
      this.waiting.add(node);
      this.ask(node);
    }
    this.freed.clear();
    for (const shape of this.offered) {
      for (const node of this.waiting) {
        if (this.parts.policy.size === 0) break;
        if (node.view.takes(shape)) this.ask(node);
      }
    }
    this.offered.clear();
    const isOpen = [...this.opened].some((name) => !this.gates.isClosed(name));
    this.opened.clear();
    if (!isOpen) return;
    for (const node of this.waiting) {
      if (this.parts.policy.size === 0) break;
      this.ask(node);
    }
  }

  private ask(node: SimNode): void {
    const { policy } = this.parts;
    while (node.hasSlot && policy.size > 0) {
      const step = policy.choose(node.view, node.lastStep);
      if (step === undefined) return;
      this.grant(node, step);
    }
    if (!node.hasSlot) this.waiting.delete(node);
  }

  private grant(node: SimNode, step: SimStep): void {
    const { policy, observer, farm } = this.parts;
    const id = `lease-${this.leases}`;
    const full = this.gates.acquire(id, step, node.capabilities.name);
    if (full !== undefined) {
      policy.close(full);
      const studio = this.gates.studioOf(full);
      if (studio !== undefined) this.backlog.cap(studio, 1);
      return;
    }
    this.leases++;
    const limits = { targetMs: farm.spans.targetSeconds * 1000, tasksMax: farm.spans.tasksMax };
    const { untouched: remaining, meanTaskMs } = step;
    const span = step.take(spanSize({ remaining, slots: this.slotsUp, meanTaskMs }, limits));
    if (!step.hasWork) {
      policy.remove(step);
      this.backlog.step(step, -1);
      this.preemption?.withdrawn(step);
    }
    const resources = node.view.free.take(step.shape);
    const charge = policy.begun(step, span.count, this.nowMs);
    const startedAtMs = this.nowMs;
    const lease = { id, node, step, span, resources, startedAtMs, charge, isOver: false };
    node.hold(lease);
    this.preemption?.began(lease);
    if (step.job.startedAtMs === undefined) {
      step.job.startedAtMs = this.nowMs;
      observer.jobStarted(step.job, this.nowMs);
    }
    observer.leaseBegan(lease, this.nowMs);
    this.later(this.ends.durationMs(lease), { kind: 'end', lease });
  }
}
