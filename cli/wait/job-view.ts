import type { FarmEvent } from '@karst/shared/protocol/event.ts';
import { type Job, terminalJobStates } from '@karst/shared/protocol/job.ts';

export interface TaskStatus {
  step: string;
  task: number;
  percent: number | undefined;
  status: string | undefined;
}

/** What a watcher knows of a job: the last read, moved on by events, and its tasks' statuses. */
export class JobView {
  #job: Job;
  readonly #statuses = new Map<string, TaskStatus>();

  constructor(job: Job) {
    this.#job = job;
  }

  get job(): Job {
    return this.#job;
  }

  /** The most recent status first. */
  get statuses(): TaskStatus[] {
    return [...this.#statuses.values()].reverse();
  }

  /** Done, and nothing more is to come: a succeeded job's outputs are all in the studio's view. */
  get isSettled(): boolean {
    const { state, outputs } = this.#job;
    if (state === 'succeeded') return outputs.published >= outputs.accepted;
    return terminalJobStates.has(state);
  }

  replace(job: Job): void {
    this.#job = job;
    if (terminalJobStates.has(job.state)) this.#statuses.clear();
  }

  /** Answers whether the job itself has to be read again. */
  apply(event: FarmEvent): 'shown' | 'read again' {
    switch (event.type) {
      case 'job':
        this.replace({
          ...this.#job,
          state: event.state,
          taskCounts: event.taskCounts,
          heldSteps: event.heldSteps,
        });
        return terminalJobStates.has(event.state) ? 'read again' : 'shown';
      case 'tasks':
        if (event.state !== 'running') this.#dropStatuses(event.step, event.first, event.last);
        return 'shown';
      case 'progress': {
        const { step, task, percent, status } = event;
        const key = `${task}:${step}`;
        const before = this.#statuses.get(key);
        this.#statuses.delete(key);
        this.#statuses.set(key, {
          step,
          task,
          percent: percent ?? before?.percent,
          status: status ?? before?.status,
        });
        return 'shown';
      }
      case 'poison':
      case 'quarantine':
      case 'suspicious':
        return 'shown';
      case 'reset':
        return 'read again';
    }
  }

  #dropStatuses(step: string, first: number, last: number): void {
    for (const [key, status] of this.#statuses) {
      if (status.step === step && status.task >= first && status.task <= last) {
        this.#statuses.delete(key);
      }
    }
  }
}
