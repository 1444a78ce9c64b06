/**
 * A binary heap whose members can be moved and removed: O(log n) each, O(1) to see the least.
 * An item stands in it once. `compare` may depend on what changes in an item, if update() is called
 * after each such change and before the next call.
 */
export class IndexedHeap<T> {
  private readonly items: T[] = [];
  private readonly places = new Map<T, number>();
  private readonly compare: (a: T, b: T) => number;

  constructor(compare: (a: T, b: T) => number) {
    this.compare = compare;
  }

  get size(): number {
    return this.items.length;
  }

  has(item: T): boolean {
    return this.places.has(item);
  }

  peek(): T | undefined {
    return this.items[0];
  }

  /** Every member, in no order. */
  values(): readonly T[] {
    return this.items;
  }

  add(item: T): void {
    if (this.places.has(item)) return;
    this.items.push(item);
    this.places.set(item, this.items.length - 1);
    this.rise(this.items.length - 1);
  }

  update(item: T): void {
    const place = this.places.get(item);
    if (place === undefined) return;
    if (!this.rise(place)) this.sink(place);
  }

  remove(item: T): boolean {
    const place = this.places.get(item);
    if (place === undefined) return false;
    const last = this.items.pop();
    this.places.delete(item);
    if (last === undefined || last === item) return true;
    this.items[place] = last;
    this.places.set(last, place);
    if (!this.rise(place)) this.sink(place);
    return true;
  }

  private at(place: number): T {
    const item = this.items[place];
    if (item === undefined) throw new RangeError(`a heap of ${this.size} has no place ${place}`);
    return item;
  }

  private rise(from: number): boolean {
    let place = from;
    while (place > 0) {
      const parent = (place - 1) >>> 1;
      if (this.compare(this.at(place), this.at(parent)) >= 0) break;
      this.swap(place, parent);
      place = parent;
    }
    return place !== from;
  }

  private sink(from: number): void {
    let place = from;
    for (;;) {
      let least = 2 * place + 1;
      if (least >= this.items.length) return;
      const right = least + 1;
      if (right < this.items.length && this.compare(this.at(right), this.at(least)) < 0) {
        least = right;
      }
      if (this.compare(this.at(least), this.at(place)) >= 0) return;
      this.swap(place, least);
      place = least;
    }
  }

  private swap(a: number, b: number): void {
    const [first, second] = [this.at(a), this.at(b)];
    this.items[a] = second;
    this.items[b] = first;
    this.places.set(second, a);
    this.places.set(first, b);
  }
}
