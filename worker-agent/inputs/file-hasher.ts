import { Worker } from 'node:worker_threads';
import { sleep } from '@karst/shared/clock.ts';

export type HashOrder =
  | { kind: 'begin'; id: number; path: string }
  | { kind: 'advance'; id: number; to: number }
  | { kind: 'end' | 'drop'; id: number };
export type HashAnswer =
  | { id: number; sha256: string; sizeBytes: number }
  | { id: number; error: Error };

export interface FileHash {
  sha256: string;
  sizeBytes: number;
}

/** A file being hashed while it grows. */
export interface HashInProgress {
  /** Bytes before `to` are there. */
  advance(to: number): void;
  /** The hash of what was told to be there. Rejects as the file system does. */
  end(): Promise<FileHash>;
  drop(): void;
}

/** Without work for so long the thread ends: it keeps some 20 MB. */
const idleMs = 10_000;

/**
 * SHA-256 of large files in a thread of its own: 5 GB take seconds of a core, which the agent's one
 * thread does not have. Parts of a download arrive out of order, so the thread reads what is whole
 * back from the page cache, while the rest still comes.
 */
export class FileHasher {
  readonly #waiting = new Map<number, (answer: HashAnswer) => void>();
  #worker: Worker | undefined;
  #rest = new AbortController();
  #count = 0;
  #open = 0;

  begin(path: string): HashInProgress {
    const id = ++this.#count;
    this.#open += 1;
    this.#send({ kind: 'begin', id, path });
    const failed = new Promise<HashAnswer>((resolve) => this.#waiting.set(id, resolve));
    const over = () => {
      this.#waiting.delete(id);
      this.#open -= 1;
      if (this.#open === 0) this.#restLater();
    };
    return {
      advance: (to) => this.#send({ kind: 'advance', id, to }),
      end: async () => {
        this.#send({ kind: 'end', id });
        const answer = await failed;
        over();
        if ('error' in answer) throw answer.error;
        return { sha256: answer.sha256, sizeBytes: answer.sizeBytes };
      },
      drop: () => {
        this.#send({ kind: 'drop', id });
        over();
      },
    };
  }

  /** A whole file. */
  async hash(path: string): Promise<FileHash> {
    const hash = this.begin(path);
    hash.advance(Number.MAX_SAFE_INTEGER);
    return await hash.end();
  }

  async close(): Promise<void> {
    this.#rest.abort();
    const worker = this.#worker;
    this.#worker = undefined;
    await worker?.terminate();
    this.#failAll(new Error('the thread that hashes files was ended'));
  }

  #send(order: HashOrder): void {
    this.#rest.abort();
    this.#worker ??= this.#start();
    this.#worker.postMessage(order);
  }

  #start(): Worker {
    const worker = new Worker(new URL('./hash-thread.ts', import.meta.url), {
      resourceLimits: { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 4 },
    });
    worker.unref();
    worker.on('message', (answer: HashAnswer) => this.#waiting.get(answer.id)?.(answer));
    worker.on('error', (error) => {
      this.#worker = undefined;
      this.#failAll(error instanceof Error ? error : new Error(String(error)));
    });
    return worker;
  }

  #failAll(error: Error): void {
    for (const [id, answer] of this.#waiting) answer({ id, error });
  }

  #restLater(): void {
    this.#rest = new AbortController();
    sleep(idleMs, this.#rest.signal).then(
      () => this.close(),
      () => undefined,
    );
  }
}
