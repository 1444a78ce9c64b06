import { createHash, type Hash, hash as hashWhole } from 'node:crypto';
import { type FileHandle, open, rm, writeFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { err, ok, type Result } from '@karst/shared/result.ts';
import type { Connections } from '../http/exchange.ts';
import type { InputDownload } from '../http/orchestrator-client.ts';
import { passedBuffers } from '../http/passing-buffers.ts';
import { openDownload } from '../http/transfer.ts';
import { FetchError, type FetchFailure, fetchFailure } from './fetch-failure.ts';
import type { FileHasher, HashInProgress } from './file-hasher.ts';
import type { TransferGate } from './transfer-gate.ts';

const mebibyte = 1024 * 1024;
/** Up to this size a file is read whole, hashed and written in one go. */
const wholeBytesMax = mebibyte;
/** Larger files come in pieces of this size, several at once: one connection rarely fills a line. */
const pieceBytes = 32 * mebibyte;
const piecesAtOnce = 4;
/** Gathered before it is written: a write for each packet would cost more than the download. */
const writeBytes = mebibyte / 2;

export interface DownloadParts {
  connections: Connections;
  gate: TransferGate;
  hasher: FileHasher;
}

/** Bytes `start` up to `end` of the file, of which `have` are written. */
interface Piece {
  start: number;
  end: number;
  have: number;
}

/**
 * One input on its way into `path`. What has arrived is kept when an attempt breaks off, and the next
 * one goes on behind it, with a fresh URL. Not synced to the disk: see CacheIndex.
 */
export class Download {
  readonly path: string;
  readonly #wanted: Pick<InputDownload, 'sha256' | 'sizeBytes'>;
  readonly #parts: DownloadParts;
  #pieces: Piece[];
  /** Storage answers a part of a file when asked for one. */
  #hasRanges = true;
  #file: FileHandle | undefined;
  /** Of a file in one piece, as it arrives. */
  #hash: Hash | undefined;
  /** Of one in several, in another thread. */
  #following: HashInProgress | undefined;

  constructor(
    wanted: Pick<InputDownload, 'sha256' | 'sizeBytes'>,
    path: string,
    parts: DownloadParts,
  ) {
    this.#wanted = wanted;
    this.path = path;
    this.#parts = parts;
    this.#pieces = piecesOf(wanted.sizeBytes, pieceBytes);
  }

  /**
   * Fetches what is lacking. ok: the file is whole and has the hash. Throws when this node's disk fails.
   * After a failure that does not pass nothing is left of it.
   */
  async attempt(
    { url, path: name }: Pick<InputDownload, 'url' | 'path'>,
    isUrgent: () => boolean,
    signal: AbortSignal,
  ): Promise<Result<null, FetchFailure>> {
    try {
      const isSmall = this.#wanted.sizeBytes <= wholeBytesMax;
      if (isSmall) await this.#fetchWhole(url, isUrgent, signal);
      else await this.#fetchPieces(url, isUrgent, signal);
      return ok(null);
    } catch (error) {
      const failure = fetchFailure(error, name);
      if (failure === undefined || !failure.passing) await this.discard();
      if (failure === undefined) throw error;
      return err(failure);
    }
  }

  get sizeBytes(): number {
    return this.#wanted.sizeBytes;
  }

  /** Removes what has arrived. */
  async discard(): Promise<void> {
    this.#following?.drop();
    this.#following = undefined;
    this.#hash = undefined;
    this.#pieces = piecesOf(this.#wanted.sizeBytes, this.#hasRanges ? pieceBytes : Infinity);
    await this.#file?.close();
    this.#file = undefined;
    await rm(this.path, { force: true });
  }

  async #fetchWhole(url: string, isUrgent: () => boolean, signal: AbortSignal): Promise<void> {
    const leave = await this.#parts.gate.enter(isUrgent, signal);
    try {
      const response = await this.#open(url, undefined, signal);
      const { sizeBytes } = this.#wanted;
      const chunks: Buffer[] = [];
      let length = 0;
      for await (const chunk of response as AsyncIterable<Buffer>) {
        length += chunk.length;
        chunks.push(chunk);
        if (length > sizeBytes) break;
      }
      const content = Buffer.concat(chunks, length);
      this.#check(hashWhole('sha256', content, 'hex'), length);
      await writeFile(this.path, content, { mode: 0o644 });
      passedBuffers(length);
    } finally {
      leave();
    }
  }

  async #fetchPieces(url: string, isUrgent: () => boolean, signal: AbortSignal): Promise<void> {
    this.#file ??= await open(this.path, 'wx', 0o644);
    const stop = new AbortController();
    const ended = AbortSignal.any([signal, stop.signal]);
    const waiting = this.#pieces.filter(({ start, end, have }) => start + have < end);
    const lane = async () => {
      for (let piece = waiting.shift(); piece !== undefined; piece = waiting.shift()) {
        const leave = await this.#parts.gate.enter(isUrgent, ended);
        try {
          await this.#fetchPiece(url, piece, ended);
        } finally {
          leave();
        }
      }
    };
    const lanes = Array.from({ length: Math.min(piecesAtOnce, waiting.length) }, async () => {
      try {
        await lane();
      } catch (error) {
        // The first to fail ends the others, and says why.
        if (!stop.signal.aborted) stop.abort(error);
      }
    });
    await Promise.all(lanes);
    if (stop.signal.aborted) {
      if (stop.signal.reason !== noRanges) throw stop.signal.reason;
      this.#hasRanges = false;
      await this.discard();
      await this.#fetchPieces(url, isUrgent, signal);
      return;
    }
    await this.#finish();
  }

  async #finish(): Promise<void> {
    if (this.#hash !== undefined) {
      this.#check(this.#hash.digest('hex'), this.#wanted.sizeBytes);
      this.#hash = undefined;
    } else {
      this.#follow();
      const following = this.#following;
      this.#following = undefined;
      const { sha256, sizeBytes } = (await following?.end()) ?? { sha256: '', sizeBytes: 0 };
      this.#check(sha256, sizeBytes);
    }
    const file = this.#file;
    this.#file = undefined;
    await file?.close();
  }

  async #fetchPiece(url: string, piece: Piece, signal: AbortSignal): Promise<void> {
    const isAll = piece.start === 0 && piece.end === this.#wanted.sizeBytes;
    if (isAll && !this.#hasRanges && piece.have > 0) await this.#startOver(piece);
    const from = piece.start + piece.have;
    const range = isAll && piece.have === 0 ? undefined : { start: from, end: piece.end };
    const response = await this.#open(url, range, signal);
    if (range !== undefined) this.#checkRange(response, from);
    let gathered: Buffer[] = [];
    let length = 0;
    const write = async () => {
      const chunks = gathered;
      gathered = [];
      length = 0;
      await this.#write(piece, chunks);
    };
    try {
      for await (const chunk of response as AsyncIterable<Buffer>) {
        gathered.push(chunk);
        length += chunk.length;
        if (piece.start + piece.have + length > piece.end) throw this.#otherSize('more');
        if (length >= writeBytes) await write();
      }
    } finally {
      // What came before it broke off counts.
      if (length > 0 && piece.start + piece.have + length <= piece.end) await write();
    }
    if (piece.start + piece.have < piece.end) throw this.#otherSize('fewer');
  }

  async #write(piece: Piece, chunks: readonly Buffer[]): Promise<void> {
    const isOnly = this.#pieces.length === 1;
    const length = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    await this.#writeAt(piece.start + piece.have, chunks, length);
    if (isOnly) {
      this.#hash ??= createHash('sha256');
      for (const chunk of chunks) this.#hash.update(chunk);
    }
    piece.have += length;
    passedBuffers(length);
    if (!isOnly) this.#follow();
  }

  async #writeAt(at: number, chunks: readonly Buffer[], length: number): Promise<void> {
    const file = this.#file;
    if (file === undefined) throw new Error('the download was discarded');
    let { bytesWritten: done } = await file.writev(chunks, at);
    if (done === length) return;
    const all = Buffer.concat(chunks, length);
    while (done < length)
      done += (await file.write(all, done, length - done, at + done)).bytesWritten;
  }

  /** Tells the thread that hashes how much of the file is whole. */
  #follow(): void {
    let whole = 0;
    for (const { start, end, have } of this.#pieces) {
      if (start !== whole) break;
      whole = start + have;
      if (whole < end) break;
    }
    this.#following ??= this.#parts.hasher.begin(this.path);
    this.#following.advance(whole);
  }

  /** Storage that has no ranges begins anew each time. */
  async #startOver(piece: Piece): Promise<void> {
    piece.have = 0;
    this.#hash = undefined;
    await this.#file?.truncate(0);
  }

  async #open(
    url: string,
    range: { start: number; end: number } | undefined,
    signal: AbortSignal,
  ): Promise<IncomingMessage> {
    const opened = await openDownload(this.#parts.connections, url, signal, range);
    if (opened.ok) return opened.value;
    // Storage has less of it than was announced.
    if (opened.error.status === 416) throw this.#otherSize('fewer');
    throw new FetchError(opened.error.message, true);
  }

  #checkRange(response: IncomingMessage, from: number): void {
    if (response.statusCode !== 206) {
      response.destroy();
      throw noRanges;
    }
    const [, start, total] =
      /^bytes (\d+)-\d+\/(\d+)$/.exec(response.headers['content-range'] ?? '') ?? [];
    if (Number(start) === from && Number(total) === this.#wanted.sizeBytes) return;
    response.destroy();
    if (Number(start) !== from) throw noRanges;
    throw new FetchError(
      `is of ${total} bytes in storage; expected ${this.#wanted.sizeBytes} bytes`,
      false,
    );
  }

  #otherSize(how: 'more' | 'fewer'): FetchError {
    return new FetchError(
      `arrived with ${how} bytes than the expected ${this.#wanted.sizeBytes}`,
      false,
    );
  }

  #check(sha256: string, sizeBytes: number): void {
    const wanted = this.#wanted;
    if (sha256 === wanted.sha256 && sizeBytes === wanted.sizeBytes) return;
    const message = `arrived with SHA-256 ${sha256} and ${sizeBytes} bytes; expected ${wanted.sha256} and ${wanted.sizeBytes} bytes`;
    throw new FetchError(message, false);
  }
}

/** Asked for a part of a file, storage answered all of it. */
const noRanges = new FetchError('storage does not answer ranges', true);

function piecesOf(sizeBytes: number, bytesEach: number): Piece[] {
  const pieces: Piece[] = [];
  for (let start = 0; start < sizeBytes; start += bytesEach) {
    pieces.push({ start, end: Math.min(start + bytesEach, sizeBytes), have: 0 });
  }
  return pieces;
}
