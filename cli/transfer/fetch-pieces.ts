import type { IncomingMessage } from 'node:http';
import type { Random } from '@karst/shared/random.ts';
import { NetworkError } from '../api/http.ts';
import { CliError } from '../failure.ts';
import { StorageRefusalError, storageRequest } from './storage-request.ts';

/** What one request asks for. Also what stays in memory of a piece that waits for its turn. */
export const PIECE_BYTES = 4 * 1024 * 1024;

/** A presigned link that can be renewed: links live for a while only, on a slow line not long enough. */
export interface ObjectLink {
  /** For messages: "frames/0001.exr". */
  what: string;
  sizeBytes: number;
  url(): string;
  /** Gets a link in the place of `refused`. */
  renew(refused: string, signal: AbortSignal): Promise<void>;
}

export interface FetchWork {
  random: Random;
  signal: AbortSignal;
  /** How many requests may be under way now, 1 at least. Asked again as pieces come to their end. */
  requestsMax: () => number;
}

/**
 * The object's bytes from `start` on, in order, as much at a time as came meanwhile. They are fetched piece by piece, several at a time,
 * the piece whose turn it is passed on as it arrives. A connection that breaks is taken up at the byte
 * where it broke. Throws StorageRefusalError, StorageUnreachableError, CliError.
 */
export async function* fetchPieces(
  link: ObjectLink,
  start: number,
  work: FetchWork,
): AsyncGenerator<Buffer[]> {
  const over = new AbortController();
  const signal = AbortSignal.any([work.signal, over.signal]);
  const running: Piece[] = [];
  let next = start;
  try {
    // An empty object is fetched too: that it is there is to be seen.
    for (let first = true; first || next < link.sizeBytes || running.length > 0; first = false) {
      while ((first || next < link.sizeBytes) && running.length < Math.max(1, work.requestsMax())) {
        const end = Math.min(next + PIECE_BYTES, link.sizeBytes);
        running.push(new Piece(link, { start: next, end }, { random: work.random, signal }));
        next = end;
        if (next >= link.sizeBytes) break;
      }
      const piece = running[0];
      if (piece !== undefined) yield* piece.chunks();
      running.shift();
    }
  } finally {
    over.abort();
    await Promise.allSettled(running.map((piece) => piece.ended));
  }
}

/** Bytes start..end-1, being fetched from the moment it is made. */
class Piece {
  readonly ended: Promise<void>;
  #received: Buffer[] = [];
  #isOver = false;
  #news = Promise.withResolvers<void>();

  constructor(
    link: ObjectLink,
    range: { start: number; end: number },
    work: Omit<FetchWork, 'requestsMax'>,
  ) {
    const onChunk = (chunk: Buffer) => {
      this.#received.push(chunk);
      this.#news.resolve();
    };
    this.ended = fetchRange(link, range, onChunk, work).finally(() => {
      this.#isOver = true;
      this.#news.resolve();
    });
    // Whoever reads the piece hears of it; one that nobody comes to read failed for nobody.
    this.ended.catch(() => undefined);
  }

  async *chunks(): AsyncGenerator<Buffer[]> {
    for (;;) {
      const received = this.#received;
      this.#received = [];
      if (received.length > 0) yield received;
      else if (this.#isOver) return this.ended;
      else {
        await this.#news.promise;
        this.#news = Promise.withResolvers();
      }
    }
  }
}

async function fetchRange(
  link: ObjectLink,
  { start, end }: { start: number; end: number },
  onChunk: (chunk: Buffer) => void,
  work: Omit<FetchWork, 'requestsMax'>,
): Promise<void> {
  let at = start;
  let renewedAt = -1;
  for (;;) {
    const url = link.url();
    const request = {
      method: 'GET' as const,
      url,
      what: link.what,
      random: work.random,
      signal: work.signal,
      /** Read for every try: each goes on where the one before broke. */
      get headers(): Record<string, string> {
        const isWhole = at === 0 && end === link.sizeBytes;
        return isWhole ? {} : { range: `bytes=${at}-${end - 1}` };
      },
    };
    try {
      await storageRequest(request, async (answer) => {
        checkRange(answer, link, at);
        for await (const chunk of answer) {
          if (!Buffer.isBuffer(chunk)) throw new TypeError('expected bytes');
          if (at + chunk.length > end) throw damaged(link.what, 'more bytes than it has');
          at += chunk.length;
          onChunk(chunk);
        }
        if (at < end) throw new NetworkError('the answer ended early', 'ECONNRESET');
      });
      return;
    } catch (error) {
      if (!(error instanceof StorageRefusalError)) throw error;
      if (error.status !== 403 && error.status !== 404) throw error;
      // A new link that is refused at the same byte will not get better.
      if (renewedAt === at) throw error.status === 403 ? refusedAgain(error) : error;
      renewedAt = at;
      await link.renew(url, work.signal);
    }
  }
}

export const damaged = (what: string, why = 'its content does not match its SHA-256') =>
  new CliError(`${what} arrived damaged: ${why}.`);

/** A server or a proxy that ignores ranges would put the first bytes where others belong. */
function checkRange(answer: IncomingMessage, link: ObjectLink, at: number): void {
  if (answer.statusCode !== 206) {
    if (at === 0) return;
    throw new CliError(`Storage answers without the range that was asked for (${link.what}).`);
  }
  const told = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(answer.headers['content-range'] ?? '');
  const [, first, total] = told ?? [];
  if (first === undefined || Number(first) !== at) {
    throw new CliError(`Storage answers with another range than was asked for (${link.what}).`);
  }
  if (total !== '*' && Number(total) !== link.sizeBytes) {
    throw damaged(link.what, `storage has ${total} bytes of it instead of ${link.sizeBytes}`);
  }
}

const refusedAgain = (error: StorageRefusalError) =>
  new CliError(
    `${error.message.replace(/\.$/, '')}, and so it did with a new link. ` +
      'Do the clocks of the orchestrator and of storage agree?',
    { cause: error },
  );
