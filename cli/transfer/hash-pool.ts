import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { type HashJob, type HashOutcome, hashRange } from './hash-range.ts';
import type { WorkerNews } from './hash-worker.ts';

/** More threads than this read faster than disks give, and each costs about 15 MB. */
const THREADS_MAX = 4;

interface Batch {
  jobs: readonly HashJob[];
  onBytes: (bytes: number) => void;
  resolve: (outcomes: HashOutcome[]) => void;
  reject: (reason: unknown) => void;
}

/**
 * Hashes on other threads: hashing is the CPU's work, and the main thread keeps sending meanwhile.
 * Threads start with the first batch that asks for one.
 */
export class HashPool {
  readonly #idle: Worker[] = [];
  readonly #running = new Map<Worker, Batch>();
  readonly #waiting: Batch[] = [];
  readonly threadCount = Math.min(THREADS_MAX, Math.max(2, availableParallelism()));

  /** One thread does the whole batch, in order. */
  hash(jobs: readonly HashJob[], onBytes: (bytes: number) => void): Promise<HashOutcome[]> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ jobs, onBytes, resolve, reject });
      this.#next();
    });
  }

  /** On this thread, now: for what is done before a thread has started. */
  hashHere(jobs: readonly HashJob[], onBytes: (bytes: number) => void): HashOutcome[] {
    return jobs.map((job) => hashRange(job, onBytes));
  }

  /** Ends the threads, and what they do. The next batch starts others. */
  async close(): Promise<void> {
    this.#fail(this.#waiting.splice(0), new Error('the hash pool was closed'));
    const workers = [...this.#idle.splice(0), ...this.#running.keys()];
    await Promise.all(workers.map((worker) => worker.terminate()));
  }

  #next(): void {
    const batch = this.#waiting[0];
    if (batch === undefined) return;
    const worker = this.#idle.pop() ?? this.#start();
    if (worker === undefined) return;
    this.#waiting.shift();
    this.#running.set(worker, batch);
    worker.postMessage(batch.jobs);
  }

  #start(): Worker | undefined {
    if (this.#running.size >= this.threadCount) return undefined;
    const worker = new Worker(new URL('./hash-worker.ts', import.meta.url));
    worker.on('message', (news: WorkerNews) => this.#heard(worker, news));
    worker.on('error', (error) => this.#gone(worker, error));
    worker.on('exit', () => this.#gone(worker, new Error('a hashing thread ended')));
    return worker;
  }

  #heard(worker: Worker, news: WorkerNews): void {
    const batch = this.#running.get(worker);
    batch?.onBytes(news.bytes);
    if (news.kind !== 'done') return;
    this.#running.delete(worker);
    this.#idle.push(worker);
    batch?.resolve(news.outcomes);
    this.#next();
  }

  #gone(worker: Worker, reason: unknown): void {
    const batch = this.#running.get(worker);
    this.#running.delete(worker);
    if (batch !== undefined) this.#fail([batch], reason);
    this.#next();
  }

  #fail(batches: readonly Batch[], reason: unknown): void {
    for (const batch of batches) batch.reject(reason);
  }
}
