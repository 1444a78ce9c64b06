import { stepsToRetry } from '@karst/orchestrator/domain/steps-to-retry.ts';
import type { FailureCode } from '@karst/orchestrator/store/span-store.ts';
import type { JobState, TaskState } from '@karst/shared/protocol/job.ts';
import {
  charge,
  fedOf,
  heir,
  inOrder,
  isFailure,
  type JobShape,
  leaveTo,
  type ModelLease,
  type ModelReport,
  type ModelResult,
  type ModelSpan,
  type ModelStep,
  type ModelTask,
  newStep,
  newTask,
  SPAN_TASKS_MAX,
  terminal,
  unfailed,
  widened,
} from './model-state.ts';

/** The rules of DESIGN sections 4 and 5 in plain words, against which the scripts are judged. */
export class FarmModel {
  readonly shape: JobShape;
  readonly steps: ModelStep[];
  jobState: JobState = 'pending';
  epoch = 0;
  private started = false;
  private ending: JobState | undefined;

  constructor(shape: JobShape) {
    this.shape = shape;
    this.steps = shape.steps.map(newStep);
  }

  step(index: number): ModelStep {
    const step = this.steps[index];
    if (step === undefined) throw new RangeError(`no step ${index}`);
    return step;
  }

  feed(index: number, size: number, count: number): number[] {
    const step = this.step(index);
    const ids: number[] = [];
    if (step.state !== 'ready' && step.state !== 'running') return ids;
    const limit = this.limit(step);
    while (ids.length < count && step.cursor < limit) {
      const last = Math.min(step.cursor + size, limit) - 1;
      ids.push(this.queue(step, step.cursor, last));
      step.cursor = last + 1;
    }
    return ids;
  }

  limit({ scout, tasks }: ModelStep): number {
    return Math.min(scout ?? tasks.length, tasks.length);
  }

  /** As feed, for positions up to `next` of an order, in these ranges; 'moved' as for chunks. */
  feedListed(
    index: number,
    cursor: number,
    next: number,
    ranges: readonly ModelSpan[],
  ): number[] | 'moved' {
    const step = this.step(index);
    if (step.state !== 'ready' && step.state !== 'running') return [];
    if (step.cursor !== cursor || next > this.limit(step)) return 'moved';
    step.cursor = next;
    return ranges.map(({ first, last }) => this.queue(step, first, last));
  }

  /** Whether the step and its job take them. */
  extend(index: number, tasks: number): boolean {
    const step = this.step(index);
    const isOver = (state: string) => state === 'failed' || state === 'canceled';
    if (isOver(this.jobState) || isOver(step.state)) return false;
    if (step.tasks.some(({ state }) => state === 'canceled')) return false;
    step.tasks.push(...Array.from({ length: tasks }, newTask));
    step.sizes.push(tasks);
    this.reopen(index);
    return true;
  }

  release(index: number): boolean {
    const step = this.step(index);
    const waited = step.scout !== undefined;
    step.scout = undefined;
    return waited;
  }

  /** As feed, for chunks given by their last tasks; 'moved' where the cursor is elsewhere. */
  feedChunks(index: number, cursor: number, lasts: readonly number[]): number[] | 'moved' {
    const step = this.step(index);
    if (step.state !== 'ready' && step.state !== 'running') return [];
    if (step.cursor !== cursor) return 'moved';
    const limit = this.limit(step);
    return lasts.flatMap((end) => {
      const first = step.cursor;
      if (first >= limit) return [];
      const last = Math.min(end, limit - 1);
      step.chunks?.push({ first, last });
      step.cursor = last + 1;
      return [this.queue(step, first, last)];
    });
  }

  /** 'held', 'avoided', or the epoch and tasks; undefined where the span is not queued. */
  grant(index: number, spanId: number, leaseId: string, nodeId: string, suitableNodes: number) {
    const step = this.step(index);
    const open = this.jobState === 'pending' || this.jobState === 'running';
    if (!open || (step.state !== 'ready' && step.state !== 'running')) return 'held';
    const span = step.spans.get(spanId);
    if (span === undefined || span.lease !== undefined) return undefined;
    const { avoided } = step.tasks[span.first] ?? unfailed();
    const { original } = span;
    if (original !== undefined && step.spans.get(original)?.lease?.nodeId === nodeId)
      return 'avoided';
    if (avoided.has(nodeId) && avoided.size < suitableNodes) return 'avoided';
    this.epoch += 1;
    const lease = { leaseId, nodeId, epoch: this.epoch };
    const { first, last } = span;
    step.spans.set(
      spanId,
      original === undefined ? { first, last, lease } : { first, last, lease, partner: original },
    );
    this.mark(step, span.first, span.last, 'running');
    step.state = 'running';
    this.jobState = 'running';
    this.started = true;
    return { first: span.first, last: span.last, epoch: this.epoch };
  }

  /** The rerun's span; undefined where there is none to be. */
  rerun(index: number, spanId: number, { leaseId }: ModelLease): number | undefined {
    const step = this.step(index);
    const span = step.spans.get(spanId);
    if (this.jobState !== 'running' || step.state !== 'running') return undefined;
    if (span?.lease?.leaseId !== leaseId || span.partner !== undefined) return undefined;
    const { first, last } = span;
    if (first !== last && step.chunks === undefined) return undefined;
    span.partner = this.queue(step, first, last);
    step.spans.set(span.partner, { first, last, original: spanId });
    return span.partner;
  }

  /** What becomes of each; what follows for step and job is looked at behind the last. */
  report(index: number, leases: readonly ModelReport[]) {
    const told = leases.map((lease) => this.reportOne(this.step(index), lease));
    const accepted = leases.filter((_, i) => told[i] === 'accepted');
    if (accepted.some(({ results }) => results.some(({ code }) => isFailure(code)))) {
      this.checkFailed();
    }
    if (accepted.length > 0) this.settle(index);
    return told;
  }

  private reportOne(step: ModelStep, { spanId, lease, results }: ModelReport) {
    const span = step.spans.get(spanId);
    const held = span?.lease;
    if (span === undefined || held === undefined) return 'lost';
    if (held.leaseId !== lease.leaseId || held.nodeId !== lease.nodeId) return 'lost';
    if (held.epoch !== lease.epoch) return 'lost';
    const isChunk = step.chunks !== undefined;
    const meant = isChunk ? widened(results, span) : results;
    const news = meant.filter(({ last }) => last >= span.first);
    if (!inOrder(news, span, isChunk)) return 'refused';
    const [news0] = news;
    const other = heir(step, span, news0?.code);
    if (other !== undefined) {
      leaveTo(step, spanId, other, news0?.code[1] === 'a' ? lease.nodeId : undefined);
      return 'accepted';
    }
    if (news0 !== undefined && span.partner) step.spans.delete(span.partner);
    for (const result of news) {
      // Behind a chunk's failure nothing is looked at.
      if (result.last >= span.first) this.record(step, spanId, span, result, lease.nodeId);
      if (result.code === 'r') break;
    }
    if (span.first > span.last) step.spans.delete(spanId);
    return 'accepted';
  }

  private record(
    step: ModelStep,
    spanId: number,
    span: ModelSpan,
    result: ModelResult,
    nodeId: string,
  ): void {
    const { code, first, last } = result;
    if (code === 'r') {
      step.spans.set(spanId, { first, last });
      this.mark(step, first, last, 'waiting');
      return;
    }
    span.first = last + 1;
    if (isFailure(code)) this.fail(step, first, last, code, nodeId);
    else this.mark(step, first, last, 'succeeded');
  }

  private fail(
    step: ModelStep,
    first: number,
    last: number,
    code: FailureCode,
    nodeId: string,
  ): void {
    const again = charge(this.shape, step, first, last, code, nodeId);
    this.mark(step, first, last, again ? 'waiting' : 'failed');
    if (again) this.queue(step, first, last);
  }

  expire(index: number, spanId: number, lease: ModelLease): boolean {
    const step = this.step(index);
    const span = step.spans.get(spanId);
    if (span?.lease?.leaseId !== lease.leaseId) return false;
    const other = heir(step, span, 'n');
    if (other !== undefined) {
      leaveTo(step, spanId, other, span.lease.nodeId);
      return true;
    }
    if (span.partner) step.spans.delete(span.partner);
    let { first } = span;
    const charged = step.chunks === undefined ? first : span.last;
    if (!charge(this.shape, step, first, charged, 'na', span.lease.nodeId)) {
      this.mark(step, first, charged, 'failed');
      first = charged + 1;
    }
    const failed = first > span.first;
    if (first <= span.last) {
      step.spans.set(spanId, { first, last: span.last });
      this.mark(step, first, span.last, 'waiting');
    } else step.spans.delete(spanId);
    if (failed) this.checkFailed();
    this.settle(index);
    return true;
  }

  cancel(): void {
    if (!terminal.has(this.jobState)) this.cancelAll('canceled');
  }

  setPaused(paused: boolean): void {
    if (paused && (this.jobState === 'pending' || this.jobState === 'running')) {
      this.jobState = 'paused';
    } else if (!paused && this.jobState === 'paused') {
      this.jobState = this.started ? 'running' : 'pending';
    }
  }

  /** Steps that a retry lets go on, as the API asks for them; none once a person canceled the job. */
  retryable(only: number | undefined): number[] {
    if (this.jobState === 'canceled') return [];
    const graph = this.steps.map(({ state, dependsOn }, i) => ({
      name: `s${i}`,
      state,
      dependsOn,
    }));
    return stepsToRetry(graph, only === undefined ? undefined : `s${only}`);
  }

  /** How many failed tasks wait again. */
  retry(index: number): number {
    const step = this.step(index);
    const failed = step.tasks.filter(({ state }) => state === 'failed').length;
    const again = (task: ModelTask | undefined) =>
      task?.state === 'failed' || task?.state === 'canceled';
    if (!step.tasks.some(again)) return 0;
    this.reopen(index);
    for (const { first, last } of step.chunks ?? []) {
      if (again(step.tasks[first])) this.queue(step, first, last);
    }
    let first: number | undefined;
    const fed = fedOf(step.order, step.sizes, step.cursor);
    const from = step.chunks === undefined ? 0 : step.tasks.length;
    for (let i = from; i <= step.tasks.length; i++) {
      const open = fed.has(i) && again(step.tasks[i]);
      if (first !== undefined && (!open || i - first >= SPAN_TASKS_MAX)) {
        this.queue(step, first, i - 1);
        first = undefined;
      }
      if (open) first ??= i;
    }
    for (const task of step.tasks) {
      if (again(task)) task.state = 'waiting';
      Object.assign(task, unfailed());
    }
    return failed;
  }

  /** The task's state before, or why it can't be. */
  requeue(index: number, taskIndex: number): string {
    const step = this.step(index);
    const task = step.tasks[taskIndex];
    if (task === undefined) throw new RangeError(`no task ${taskIndex}`);
    if (this.jobState === 'canceled') return 'canceled_job';
    if (step.tasks.some(({ state }) => state === 'canceled')) return 'canceled';
    const { state } = task;
    if (state === 'running') {
      for (const [spanId, { first, last, lease, partner }] of step.spans) {
        if (lease === undefined || taskIndex < first || taskIndex > last) continue;
        step.spans.set(spanId, { first, last });
        if (partner) step.spans.delete(partner);
        this.mark(step, first, last, 'waiting');
      }
    } else if (state !== 'waiting') {
      this.reopen(index);
      const alone = { first: taskIndex, last: taskIndex };
      const holds = (of: ModelSpan) => of.first <= taskIndex && taskIndex <= of.last;
      const { first, last } = step.chunks?.find(holds) ?? alone;
      for (const each of step.tasks.slice(first, last + 1)) {
        Object.assign(each, { state: 'waiting', ...unfailed() });
      }
      this.queue(step, first, last);
    }
    return state;
  }

  private queue(step: ModelStep, first: number, last: number): number {
    step.spanSeq += 1;
    step.spans.set(step.spanSeq, { first, last });
    return step.spanSeq;
  }

  private mark(step: ModelStep, first: number, last: number, state: TaskState): void {
    for (const task of step.tasks.slice(first, last + 1)) task.state = state;
  }

  private countOf(state: TaskState): number {
    return this.steps.flatMap(({ tasks }) => tasks).filter((task) => task.state === state).length;
  }

  private checkFailed(): void {
    if (terminal.has(this.jobState) || this.ending !== undefined) return;
    if (this.countOf('failed') > this.shape.maxFailed) this.cancelAll('failed');
  }

  private cancelAll(ending: JobState): void {
    this.ending = ending;
    for (const index of this.steps.keys()) this.cancelStep(index);
  }

  private cancelStep(index: number): void {
    const step = this.step(index);
    if (terminal.has(step.state)) return;
    step.spans.clear();
    for (const task of step.tasks) if (!terminal.has(task.state)) task.state = 'canceled';
    this.settle(index);
  }

  private settle(index: number): void {
    const step = this.step(index);
    if (terminal.has(step.state)) return;
    if (step.tasks.some(({ state }) => !terminal.has(state))) return;
    const has = (state: TaskState) => step.tasks.some((task) => task.state === state);
    step.state = has('failed') ? 'failed' : has('canceled') ? 'canceled' : 'succeeded';
    for (const [i, dependent] of this.steps.entries()) {
      if (!dependent.dependsOn.includes(index)) continue;
      if (step.state !== 'succeeded') this.cancelStep(i);
      else if (dependent.state === 'blocked' && this.mayStart(dependent)) dependent.state = 'ready';
    }
    if (this.steps.some(({ state }) => !terminal.has(state)) || terminal.has(this.jobState)) return;
    const clean = this.steps.every(({ state }) => state === 'succeeded');
    this.jobState = this.ending ?? (clean ? 'succeeded' : 'failed');
    this.ending = undefined;
  }

  private mayStart({ dependsOn }: ModelStep): boolean {
    return dependsOn.every((i) => this.step(i).state === 'succeeded');
  }

  private reopen(index: number): void {
    const step = this.step(index);
    if (!terminal.has(step.state)) return;
    step.state = this.mayStart(step) ? 'ready' : 'blocked';
    for (const dependent of this.steps) {
      if (dependent.state === 'ready' && !this.mayStart(dependent)) dependent.state = 'blocked';
    }
    if (terminal.has(this.jobState)) this.jobState = 'running';
  }
}
