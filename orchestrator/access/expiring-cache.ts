/**
 * A map of bounded size whose entries end at a time of the caller's clock. The entry unused for
 * longest goes first.
 */
export class ExpiringCache<V> {
  readonly #entries = new Map<string, { value: V; endsMs: number }>();
  readonly #sizeMax: number;

  constructor(sizeMax: number) {
    this.#sizeMax = sizeMax;
  }

  get(key: string, nowMs: number): V | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#entries.delete(key);
    if (entry.endsMs <= nowMs) return undefined;
    this.#entries.set(key, entry);
    return entry.value;
  }

  set(key: string, value: V, endsMs: number): void {
    this.#entries.delete(key);
    this.#entries.set(key, { value, endsMs });
    if (this.#entries.size <= this.#sizeMax) return;
    const [oldest] = this.#entries.keys();
    if (oldest !== undefined) this.#entries.delete(oldest);
  }

  delete(key: string): void {
    this.#entries.delete(key);
  }
}
