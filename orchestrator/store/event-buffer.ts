import type { FarmEvent } from '@karst/shared/protocol/event.ts';

type TasksEvent = Extract<FarmEvent, { type: 'tasks' }>;

/**
 * Events of one studio that wait for the next flush. Grows slower than what is added: of a job's
 * events, and of a task's progress, only the last stays; task ranges that touch become one. What a
 * reader ends up with is the same: nothing moves past an event about the same task.
 */
export class EventBuffer {
  #events: (FarmEvent | undefined)[] = [];
  #size = 0;
  /** Where the last event of a job, or of a task's progress, stands. */
  readonly #last = new Map<string, number>();
  /** By job and step: for each state, the range that may still grow. */
  readonly #open = new Map<string, Map<string, TasksEvent>>();

  get size(): number {
    return this.#size;
  }

  add(event: FarmEvent): void {
    switch (event.type) {
      case 'job':
        this.#replace(event.jobId, event);
        break;
      case 'progress':
        this.#replace(`${event.jobId} ${event.task} ${event.step}`, event);
        break;
      case 'tasks':
        this.#addTasks(event);
        break;
      case 'poison':
      case 'quarantine':
      case 'reset':
        this.#append(event);
    }
  }

  /** Everything added since the last take, in order. */
  take(): FarmEvent[] {
    const events = this.#events.filter((event) => event !== undefined);
    this.#events = [];
    this.#size = 0;
    this.#last.clear();
    this.#open.clear();
    return events;
  }

  #append(event: FarmEvent): number {
    this.#size += 1;
    return this.#events.push(event) - 1;
  }

  /** The newer event stands where it happened: after what led to it. */
  #replace(name: string, event: FarmEvent): void {
    const before = this.#last.get(name);
    if (before !== undefined) {
      this.#events[before] = undefined;
      this.#size -= 1;
    }
    this.#last.set(name, this.#append(event));
  }

  #addTasks(event: TasksEvent): void {
    const name = `${event.jobId} ${event.step}`;
    let open = this.#open.get(name);
    if (open === undefined) {
      open = new Map();
      this.#open.set(name, open);
    }
    for (const [state, range] of open) {
      if (state !== event.state && range.first <= event.last && event.first <= range.last) {
        // The same task changed state again: neither range may grow past this point.
        open.clear();
        break;
      }
    }
    const range = open.get(event.state);
    if (range !== undefined && range.last + 1 === event.first) {
      range.last = event.last;
      return;
    }
    if (range !== undefined && event.last + 1 === range.first) {
      range.first = event.first;
      return;
    }
    // A closed range of this state is no longer compared with: nothing before it may grow.
    if (range !== undefined) open.clear();
    const own = { ...event };
    open.set(event.state, own);
    this.#append(own);
  }
}
