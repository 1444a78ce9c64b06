/** What happens next: a binary heap by time, then by order of arrival. O(log n) each. */
export class EventQueue<E> {
  private readonly times: number[] = [];
  private readonly orders: number[] = [];
  private readonly events: E[] = [];
  private added = 0;

  get size(): number {
    return this.events.length;
  }

  /** Time of the next event, ms; infinity when there is none. */
  get nextAtMs(): number {
    return this.times[0] ?? Number.POSITIVE_INFINITY;
  }

  add(atMs: number, event: E): void {
    const order = this.added++;
    let place = this.events.length;
    this.put(place, atMs, order, event);
    while (place > 0) {
      const parent = (place - 1) >>> 1;
      if (!this.before(atMs, order, parent)) break;
      this.copy(parent, place);
      place = parent;
    }
    this.put(place, atMs, order, event);
  }

  /** Takes the next event. */
  pop(): E | undefined {
    const first = this.events[0];
    const event = this.events.pop();
    const atMs = this.times.pop();
    const order = this.orders.pop();
    if (event === undefined || atMs === undefined || order === undefined) return undefined;
    const size = this.events.length;
    if (size === 0) return first;
    let place = 0;
    for (;;) {
      let least = 2 * place + 1;
      if (least >= size) break;
      const right = least + 1;
      if (right < size && this.before(this.timeAt(right), this.orderAt(right), least))
        least = right;
      if (this.before(atMs, order, least)) break;
      this.copy(least, place);
      place = least;
    }
    this.put(place, atMs, order, event);
    return first;
  }

  private timeAt(place: number): number {
    return this.times[place] ?? Number.POSITIVE_INFINITY;
  }

  private orderAt(place: number): number {
    return this.orders[place] ?? Number.POSITIVE_INFINITY;
  }

  private before(atMs: number, order: number, place: number): boolean {
    const other = this.timeAt(place);
    return atMs < other || (atMs === other && order < this.orderAt(place));
  }

  private copy(from: number, to: number): void {
    const event = this.events[from];
    if (event === undefined) throw new RangeError(`no event at ${from}`);
    this.put(to, this.timeAt(from), this.orderAt(from), event);
  }

  private put(place: number, atMs: number, order: number, event: E): void {
    this.times[place] = atMs;
    this.orders[place] = order;
    this.events[place] = event;
  }
}
