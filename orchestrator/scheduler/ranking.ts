import type { PriorityClass } from '@karst/shared/protocol/job.ts';
import { IndexedHeap } from './indexed-heap.ts';
import { compareAccounts, compareSteps, type RankedStep } from './rank.ts';
import type { Shape } from './shape.ts';
import type { Account, Shares } from './shares.ts';

/** A step with work, as the ranking sees it. Mutable fields are changed through Ranking only. */
export interface WaitingStep extends RankedStep {
  readonly studio: string;
  readonly project: string;
  shape: Shape;
  priorityClass: PriorityClass;
  priority: number;
  /** When it last got a lease, or else was first found to fit no node that asked. */
  servedAtMs?: number | undefined;
  /** Names of the counters a lease of the step counts in; a full one closes its gate. */
  gates: readonly string[];
}

/** What a node may be given. */
export interface Question<S> {
  /** Whether a lease of the shape can start there now. */
  feasible(shape: Shape): boolean;
  /** Only steps of these studios. */
  studios?: readonly string[] | undefined;
  /** Only steps of these classes. */
  classes?: readonly PriorityClass[] | undefined;
  skip?: Iterable<S> | undefined;
  /** The first of these that is as good as the first of all: of the same class, project and priority. */
  prefer?: Iterable<S> | undefined;
}

interface ProjectQueue<S> {
  readonly account: Account;
  readonly steps: IndexedHeap<S>;
}

interface StudioQueue<S> {
  readonly account: Account;
  readonly projects: IndexedHeap<ProjectQueue<S>>;
  readonly byProject: Map<string, ProjectQueue<S>>;
}

interface ShapeQueue<S> {
  readonly shape: Shape;
  readonly studios: IndexedHeap<StudioQueue<S>>;
  readonly byStudio: Map<string, StudioQueue<S>>;
}

/** The gate of steps whose tasks run all at once: no node that asks is given one of them alone. */
export const GANG_GATE = 'gang';

/** Strictest first. */
export const priorityClasses: readonly PriorityClass[] = ['urgent', 'normal', 'background'];

const projectAccount = (studio: string, project: string) => `${studio}/${project}`;

/**
 * The steps with work, in the order of DESIGN section 6: priority class, then fair share over studio
 * and project, then job priority, then age. One tree of heaps for each class and shape: a choice looks
 * at one head for each shape that fits the node, and costs the logarithm of the rest.
 */
export class Ranking<S extends WaitingStep> {
  private readonly shares: Shares;
  private readonly classes = new Map<PriorityClass, Map<string, ShapeQueue<S>>>();
  private readonly listed = new Set<S>();
  /** Closed gates that no counter opens. */
  private readonly shutGates = new Set<string>();
  /** Steps behind a closed gate, by gate; they stand in no heap. */
  private readonly parked = new Map<string, Set<S>>();
  /** Where each studio stands. */
  private readonly byStudio = new Map<string, Set<ShapeQueue<S>>>();
  /** Every step known, by each of its gates. */
  private readonly byGate = new Map<string, Set<S>>();
  /** How many listed or parked steps each account has. */
  private readonly active = new Map<Account, number>();
  /** Accounts with work, the least pass first: studios under '', projects under their studio. */
  private readonly virtual = new Map<string, IndexedHeap<Account>>();

  constructor(shares: Shares) {
    this.shares = shares;
  }

  /** Steps that may be chosen; those behind a closed gate do not count. */
  get size(): number {
    return this.listed.size;
  }

  has(step: S): boolean {
    return this.listed.has(step) || this.gateOf(step) !== undefined;
  }

  add(step: S): void {
    if (this.has(step)) return;
    this.activate(step);
    for (const name of step.gates) getOrMake(this.byGate, name, () => new Set<S>()).add(step);
    const gate = step.gates.find((name) => this.parked.has(name));
    if (gate === undefined) this.list(step);
    else this.parked.get(gate)?.add(step);
  }

  remove(step: S): void {
    const gate = this.gateOf(step);
    if (gate !== undefined) this.parked.get(gate)?.delete(step);
    else if (!this.unlist(step)) return;
    for (const name of step.gates) {
      const steps = this.byGate.get(name);
      steps?.delete(step);
      if (steps?.size === 0) this.byGate.delete(name);
    }
    this.deactivate('', this.studioAccount(step));
    this.deactivate(step.studio, this.projectAccount(step));
  }

  /** Changes what a step is ranked by. */
  update(
    step: S,
    change: Partial<Omit<S, 'jobId' | 'step' | 'studio' | 'project' | 'createdAtMs'>>,
  ): void {
    const known = this.has(step);
    if (known) this.remove(step);
    Object.assign(step, change);
    if (known) this.add(step);
  }

  /** The step that goes first among those that `question` allows. Undefined when there is none. */
  best(question: Question<S>): S | undefined {
    const { classes = priorityClasses, skip = [], prefer = [] } = question;
    const hidden = [...skip].filter((step) => this.unlist(step));
    try {
      for (const priorityClass of priorityClasses) {
        if (!classes.includes(priorityClass)) continue;
        const first = this.bestOf(priorityClass, question);
        if (first === undefined) continue;
        for (const step of prefer) if (this.isAsGood(step, first, question)) return step;
        return first;
      }
      return undefined;
    } finally {
      for (const step of hidden) this.list(step);
    }
  }

  /** Leases of the account began or ended, or it was charged: puts it where it belongs now. */
  reorder(studio: string, project: string): void {
    this.virtual.get('')?.update(this.studioAccount({ studio }));
    this.virtual.get(studio)?.update(this.projectAccount({ studio, project }));
    for (const { studios, byStudio } of this.byStudio.get(studio) ?? []) {
      const queue = byStudio.get(studio);
      if (queue === undefined) continue;
      const own = queue.byProject.get(project);
      if (own !== undefined) queue.projects.update(own);
      studios.update(queue);
    }
  }

  /** What accounts are owed changed: puts every account where it belongs now. */
  reorderAll(): void {
    const accounts = new Map<string, Pick<WaitingStep, 'studio' | 'project'>>();
    for (const { studio, project } of this.steps()) {
      accounts.set(projectAccount(studio, project), { studio, project });
    }
    for (const { studio, project } of accounts.values()) this.reorder(studio, project);
  }

  studioAccount(step: Pick<WaitingStep, 'studio'>): Account {
    return this.shares.account(step.studio);
  }

  projectAccount(step: Pick<WaitingStep, 'studio' | 'project'>): Account {
    return this.shares.account(projectAccount(step.studio, step.project));
  }

  /** A counter is full: its steps wait, unseen, until it is opened again. */
  close(gate: string): void {
    if (this.parked.has(gate)) return;
    const behind = new Set<S>();
    this.parked.set(gate, behind);
    for (const step of this.byGate.get(gate) ?? []) if (this.unlist(step)) behind.add(step);
  }

  /** A counter has room. Answers whether any step waited for that. */
  open(gate: string): boolean {
    const behind = this.parked.get(gate);
    if (behind === undefined) return false;
    this.parked.delete(gate);
    for (const step of behind) {
      const other = step.gates.find((name) => this.parked.has(name));
      if (other === undefined) this.list(step);
      else this.parked.get(other)?.add(step);
    }
    return behind.size > 0;
  }

  /** Closes a gate for good: its steps are never chosen here, and are looked for by behind(). */
  shut(gate: string): void {
    this.shutGates.add(gate);
    this.close(gate);
  }

  /** Gates closed for full counters. */
  closedGates(): string[] {
    return [...this.parked.keys()].filter((gate) => !this.shutGates.has(gate));
  }

  /** Every step known that has the gate, whether it is closed or not. */
  behind(gate: string): Iterable<S> {
    return this.byGate.get(gate) ?? [];
  }

  /** The closed gate a step waits behind. */
  gateOf(step: S): string | undefined {
    return step.gates.find((name) => this.parked.get(name)?.has(step));
  }

  /** Every step known, listed or parked. */
  *steps(): Generator<S> {
    yield* this.listed;
    for (const behind of this.parked.values()) yield* behind;
  }

  private bestOf(priorityClass: PriorityClass, { feasible, studios }: Question<S>): S | undefined {
    let best: StudioQueue<S> | undefined;
    for (const queue of this.classes.get(priorityClass)?.values() ?? []) {
      const head = studios === undefined ? queue.studios.peek() : firstOf(queue, studios);
      if (head === undefined || !feasible(queue.shape)) continue;
      if (best === undefined || compareHeads(head, best) < 0) best = head;
    }
    return best?.projects.peek()?.steps.peek();
  }

  private isAsGood(step: S, first: S, { feasible }: Question<S>): boolean {
    return (
      this.listed.has(step) &&
      step.priorityClass === first.priorityClass &&
      step.studio === first.studio &&
      step.project === first.project &&
      step.priority === first.priority &&
      feasible(step.shape)
    );
  }

  private activate(step: S): void {
    this.activateIn('', this.studioAccount(step));
    this.activateIn(step.studio, this.projectAccount(step));
  }

  private activateIn(parent: string, account: Account): void {
    const count = this.active.get(account) ?? 0;
    this.active.set(account, count + 1);
    if (count > 0) return;
    const heap = getOrMake(this.virtual, parent, () => new IndexedHeap<Account>(comparePasses));
    this.shares.activate(account, heap.peek()?.pass);
    heap.add(account);
  }

  private deactivate(parent: string, account: Account): void {
    const left = (this.active.get(account) ?? 1) - 1;
    if (left > 0) {
      this.active.set(account, left);
      return;
    }
    this.active.delete(account);
    const heap = this.virtual.get(parent);
    heap?.remove(account);
    if (heap?.size === 0) this.virtual.delete(parent);
  }

  private list(step: S): void {
    this.listed.add(step);
    const shape = this.shapeQueue(step);
    const studio = this.studioQueue(shape, step);
    getOrMake(this.byStudio, step.studio, () => new Set<ShapeQueue<S>>()).add(shape);
    const project = this.projectQueue(studio, step);
    project.steps.add(step);
    if (!studio.projects.has(project)) studio.projects.add(project);
    else studio.projects.update(project);
    const { studios } = shape;
    if (!studios.has(studio)) studios.add(studio);
    else studios.update(studio);
  }

  private unlist(step: S): boolean {
    if (!this.listed.delete(step)) return false;
    const shapes = this.classes.get(step.priorityClass);
    const shape = shapes?.get(step.shape.key);
    const studio = shape?.byStudio.get(step.studio);
    const project = studio?.byProject.get(step.project);
    if (shapes === undefined || !shape || !studio || !project) return true;
    project.steps.remove(step);
    if (project.steps.size === 0) {
      studio.projects.remove(project);
      studio.byProject.delete(step.project);
    }
    if (studio.byProject.size === 0) {
      shape.studios.remove(studio);
      shape.byStudio.delete(step.studio);
      const standing = this.byStudio.get(step.studio);
      standing?.delete(shape);
      if (standing?.size === 0) this.byStudio.delete(step.studio);
    } else shape.studios.update(studio);
    if (shape.byStudio.size === 0) shapes.delete(step.shape.key);
    return true;
  }

  private shapeQueue({ priorityClass, shape }: S): ShapeQueue<S> {
    const shapes = getOrMake(this.classes, priorityClass, () => new Map<string, ShapeQueue<S>>());
    return getOrMake(shapes, shape.key, () => ({
      shape,
      studios: new IndexedHeap<StudioQueue<S>>(compareHeads),
      byStudio: new Map(),
    }));
  }

  private studioQueue({ byStudio }: ShapeQueue<S>, step: S): StudioQueue<S> {
    return getOrMake(byStudio, step.studio, () => ({
      account: this.studioAccount(step),
      projects: new IndexedHeap<ProjectQueue<S>>((a, b) => compareAccounts(a.account, b.account)),
      byProject: new Map(),
    }));
  }

  private projectQueue({ byProject }: StudioQueue<S>, step: S): ProjectQueue<S> {
    return getOrMake(byProject, step.project, () => ({
      account: this.projectAccount(step),
      steps: new IndexedHeap<S>(compareSteps),
    }));
  }
}

const comparePasses = (a: Account, b: Account): number =>
  a.pass - b.pass || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0);

/** Within a shape by the studios' accounts; two shapes of one studio by what it would run next. */
function compareHeads<S extends WaitingStep>(a: StudioQueue<S>, b: StudioQueue<S>): number {
  if (a.account !== b.account) return compareAccounts(a.account, b.account);
  const [projectA, projectB] = [a.projects.peek(), b.projects.peek()];
  if (projectA === undefined || projectB === undefined) return 0;
  if (projectA.account !== projectB.account) {
    return compareAccounts(projectA.account, projectB.account);
  }
  const [stepA, stepB] = [projectA.steps.peek(), projectB.steps.peek()];
  return stepA === undefined || stepB === undefined ? 0 : compareSteps(stepA, stepB);
}

/** The first of some studios only: costs their number, which a pool's settings bound. */
function firstOf<S extends WaitingStep>(
  { byStudio }: ShapeQueue<S>,
  studios: readonly string[],
): StudioQueue<S> | undefined {
  let first: StudioQueue<S> | undefined;
  for (const studio of studios) {
    const queue = byStudio.get(studio);
    if (queue !== undefined && (first === undefined || compareHeads(queue, first) < 0)) {
      first = queue;
    }
  }
  return first;
}

function getOrMake<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}
