import { IndexedHeap } from '../../scheduler/indexed-heap.ts';
import { compareSteps } from '../../scheduler/rank.ts';
import { priorityClasses } from '../../scheduler/ranking.ts';
import type { Admission, NodeView } from '../../scheduler/scheduler.ts';
import type { Shape } from '../../scheduler/shape.ts';
import type { SimStep } from '../sim-step.ts';
import type { Policy } from './policy.ts';

export type StepOrder = (a: SimStep, b: SimStep) => number;

const byAge: StepOrder = (a, b) =>
  a.createdAtMs - b.createdAtMs ||
  (a.jobId < b.jobId ? -1 : a.jobId > b.jobId ? 1 : a.step - b.step);

/** First come, first served, by the time the job was submitted. */
export const fifoOrder: StepOrder = byAge;

/** Strict priority: class, then the job's priority, then age. Nothing is shared. */
export const priorityOrder: StepOrder = (a, b) =>
  priorityClasses.indexOf(a.priorityClass) - priorityClasses.indexOf(b.priorityClass) ||
  compareSteps(a, b);

/** The task that truly takes least: an oracle, no farm knows that. */
export const shortestOrder: StepOrder = (a, b) => a.orderMs - b.orderMs || byAge(a, b);

interface Queue {
  readonly studio: string;
  readonly priorityClass: string;
  readonly steps: IndexedHeap<SimStep>;
}

interface ShapeQueues {
  readonly shape: Shape;
  /** One queue for all, or where pools admit some only, one for each studio and class. */
  readonly queues: Map<string, Queue>;
}

/** A policy that is one order of all steps, for comparison: no shares, no memory of who had what. */
export class OrderedPolicy implements Policy {
  private readonly order: StepOrder;
  private readonly splits: boolean;
  private readonly shapes = new Map<string, ShapeQueues>();
  /** Steps behind a closed gate, by gate. */
  private readonly parked = new Map<string, Set<SimStep>>();
  private readonly known = new Set<SimStep>();
  private listed = 0;

  /** `admits`: whether pools of the farm let in some studios or classes only. */
  constructor(order: StepOrder, admits: boolean) {
    this.order = order;
    this.splits = admits;
  }

  get size(): number {
    return this.listed;
  }

  add(step: SimStep): void {
    step.orderMs = step.nextTaskMs;
    this.known.add(step);
    const gate = step.gates.find((name) => this.parked.has(name));
    if (gate === undefined) this.list(step);
    else this.parked.get(gate)?.add(step);
  }

  remove(step: SimStep): void {
    this.known.delete(step);
    if (this.unlist(step)) return;
    for (const name of step.gates) this.parked.get(name)?.delete(step);
  }

  choose(view: NodeView): SimStep | undefined {
    let best: SimStep | undefined;
    for (const { shape, queues } of this.shapes.values()) {
      let feasible: boolean | undefined;
      for (const queue of queues.values()) {
        const head = queue.steps.peek();
        if (head === undefined || (this.splits && !isAdmitted(queue, view.admission))) continue;
        if (best !== undefined && this.order(head, best) >= 0) continue;
        feasible ??= view.takes(shape);
        if (!feasible) break;
        best = head;
      }
    }
    return best;
  }

  begun(step: SimStep): undefined {
    if (!this.known.has(step)) return;
    step.orderMs = step.nextTaskMs;
    this.queueOf(step)?.steps.update(step);
  }

  ended(): void {
    // Who had what makes no difference here.
  }

  close(gate: string): void {
    if (this.parked.has(gate)) return;
    const behind = new Set<SimStep>();
    this.parked.set(gate, behind);
    for (const step of this.known) {
      if (step.gates.includes(gate) && this.unlist(step)) behind.add(step);
    }
  }

  open(gate: string): void {
    const behind = this.parked.get(gate);
    this.parked.delete(gate);
    for (const step of behind ?? []) {
      const other = step.gates.find((name) => this.parked.has(name));
      if (other === undefined) this.list(step);
      else this.parked.get(other)?.add(step);
    }
  }

  private nameOf({ studio, priorityClass }: SimStep): string {
    return this.splits ? `${studio}/${priorityClass}` : '';
  }

  private queueOf(step: SimStep): Queue | undefined {
    return this.shapes.get(step.shape.key)?.queues.get(this.nameOf(step));
  }

  private list(step: SimStep): void {
    const { shape, studio, priorityClass } = step;
    let shapeQueues = this.shapes.get(shape.key);
    if (shapeQueues === undefined) {
      shapeQueues = { shape, queues: new Map() };
      this.shapes.set(shape.key, shapeQueues);
    }
    const name = this.nameOf(step);
    let queue = shapeQueues.queues.get(name);
    if (queue === undefined) {
      queue = { studio, priorityClass, steps: new IndexedHeap<SimStep>(this.order) };
      shapeQueues.queues.set(name, queue);
    }
    queue.steps.add(step);
    this.listed++;
  }

  private unlist(step: SimStep): boolean {
    const queue = this.queueOf(step);
    if (queue === undefined || !queue.steps.remove(step)) return false;
    this.listed--;
    if (queue.steps.size > 0) return true;
    const shapeQueues = this.shapes.get(step.shape.key);
    shapeQueues?.queues.delete(this.nameOf(step));
    if (shapeQueues?.queues.size === 0) this.shapes.delete(step.shape.key);
    return true;
  }
}

const isAdmitted = (queue: Queue, { studios, classes }: Admission): boolean =>
  (studios === undefined || studios.includes(queue.studio)) &&
  (classes === undefined || classes.some((each) => each === queue.priorityClass));
