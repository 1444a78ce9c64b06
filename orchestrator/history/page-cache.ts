import type { HistoryPage } from './page.ts';

/** A parsed page takes about this many times its text. */
const BYTES_PER_CHARACTER = 4;

/** The pages read last, up to `bytesMax` in all, by the name of their object: none ever changes. */
export class PageCache {
  private readonly entries = new Map<string, { page: HistoryPage; bytes: number }>();
  private readonly bytesMax: number;
  private bytes = 0;

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax;
  }

  get(key: string): HistoryPage | undefined {
    const entry = this.entries.get(key);
    if (entry === undefined) return undefined;
    this.entries.delete(key);
    this.entries.set(key, entry);
    return entry.page;
  }

  set(key: string, page: HistoryPage, characters: number): void {
    this.drop(key);
    const bytes = characters * BYTES_PER_CHARACTER;
    this.entries.set(key, { page, bytes });
    this.bytes += bytes;
    for (const oldest of this.entries.keys()) {
      if (this.bytes <= this.bytesMax) break;
      this.drop(oldest);
    }
  }

  private drop(key: string): void {
    this.bytes -= this.entries.get(key)?.bytes ?? 0;
    this.entries.delete(key);
  }
}
