import type { FarmFile } from '@karst/shared/simulation/farm-file.ts';
import { leaseCost } from '../../scheduler/cost.ts';
import type { Observer, TaskEnd } from '../observer.ts';
import type { SimLease, SimNode } from '../sim-node.ts';
import type { SimJob, SimStep } from '../sim-step.ts';
import { Fairness, type ShareSample } from './fairness.ts';
import { Histogram } from './histogram.ts';
import { Usage } from './usage.ts';

const MINUTE_MS = 60_000;

/** What is told of each studio by itself. */
export class StudioRecord {
  readonly waits = new Histogram();
  readonly turnarounds = new Histogram();
  tasks = 0;
}

/** Everything the report and the plots need of one run; memory does not grow with tasks. */
export class Recorder implements Observer {
  readonly usage = new Usage();
  readonly fairness: Fairness;
  readonly shareSamples: Map<string, ShareSample>[] = [new Map()];
  readonly waits = new Histogram();
  readonly jobWaits = new Histogram();
  readonly turnarounds = new Histogram();
  readonly studios = new Map<string, StudioRecord>();
  readonly ends: Record<TaskEnd, number> = { succeeded: 0, failed: 0, canceled: 0 };
  leases = 0;
  retries = 0;
  lostTasks = 0;
  lostMs = 0;
  lostGpuMs = 0;
  preemptedTasks = 0;
  preemptedMs = 0;
  preemptedGpuMs = 0;
  /** First starts within patience. */
  metTasks = 0;
  metCardMs = 0;
  private readonly patienceMs: Map<string, number>;
  private readonly patienceDefaultMs: number;

  constructor({ studios, patienceMinutes }: FarmFile) {
    const weights = new Map<string, number>(studios.map(({ name, weight }) => [name, weight]));
    this.fairness = new Fairness((studio) => weights.get(studio) ?? 1);
    this.patienceDefaultMs = patienceMinutes * MINUTE_MS;
    this.patienceMs = new Map<string, number>(
      studios.map((studio) => [
        studio.name,
        (studio.patienceMinutes ?? patienceMinutes) * MINUTE_MS,
      ]),
    );
  }

  nodeUp(node: SimNode, nowMs: number): void {
    this.usage.node(node, 1, nowMs);
  }

  nodeDown(node: SimNode, nowMs: number): void {
    this.usage.node(node, -1, nowMs);
  }

  backlog(studio: string, isBacklogged: boolean, nowMs: number): void {
    this.fairness.backlog(studio, isBacklogged, nowMs);
  }

  leaseBegan(lease: SimLease, nowMs: number): void {
    this.leases++;
    this.usage.lease(lease, 1, nowMs);
    this.fairness.rate(lease.step.studio, ratePerSecond(lease), nowMs);
  }

  leaseEnded(lease: SimLease, nowMs: number): void {
    this.usage.lease(lease, -1, nowMs);
    this.fairness.rate(lease.step.studio, -ratePerSecond(lease), nowMs);
  }

  taskStarted(step: SimStep, task: number, waitMs: number): void {
    this.waits.add(waitMs);
    this.studio(step.studio).waits.add(waitMs);
    if (waitMs > (this.patienceMs.get(step.studio) ?? this.patienceDefaultMs)) return;
    this.metTasks++;
    const gpus = step.shape.demand?.gpus ?? 0;
    if (gpus > 0) this.metCardMs += gpus * step.trace.durations.ms(task);
  }

  taskEnded(step: SimStep, _task: number, end: TaskEnd): void {
    this.ends[end]++;
    this.studio(step.studio).tasks++;
  }

  taskRetries(): void {
    this.retries++;
  }

  taskLost(step: SimStep, _task: number, runMs: number): void {
    this.lostTasks++;
    this.lostMs += runMs;
    this.lostGpuMs += runMs * (step.shape.demand?.gpus ?? 0);
  }

  taskPreempted(step: SimStep, _task: number, runMs: number): void {
    this.preemptedTasks++;
    this.preemptedMs += runMs;
    this.preemptedGpuMs += runMs * (step.shape.demand?.gpus ?? 0);
  }

  jobStarted(job: SimJob, nowMs: number): void {
    this.jobWaits.add(nowMs - job.trace.arrivalMs);
  }

  jobEnded(job: SimJob, nowMs: number): void {
    const ms = nowMs - job.trace.arrivalMs;
    this.turnarounds.add(ms);
    this.studio(job.trace.studio).turnarounds.add(ms);
  }

  tick(nowMs: number): void {
    this.usage.sample(nowMs);
    this.shareSamples.push(this.fairness.sample(nowMs));
  }

  private studio(name: string): StudioRecord {
    let record = this.studios.get(name);
    if (record === undefined) {
      record = new StudioRecord();
      this.studios.set(name, record);
    }
    return record;
  }
}

const ratePerSecond = ({ step }: SimLease): number => leaseCost(step.shape.demand, 1000);
