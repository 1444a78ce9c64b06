import { createHash } from 'node:crypto';
import { createWriteStream, rmSync } from 'node:fs';
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Random } from '@karst/shared/random.ts';
import { err, ok, type Result } from '@karst/shared/result.ts';
import type { Connections } from '../http/exchange.ts';
import type { InputDownload } from '../http/orchestrator-client.ts';
import { openDownload } from '../http/transfer.ts';
import { errorCode } from '../session/failure.ts';

/** Why an input could not be had. `passing`: trying again may help. */
export interface FetchFailure {
  passing: boolean;
  message: string;
}

interface Entry {
  sizeBytes: number;
  /** Files being copied from: not to be evicted. */
  users: number;
}

/**
 * Input files by content, `<dir>/<aa>/<sha256>`, bounded, least recently used out first. A file is
 * there whole and verified or not at all.
 */
export class AssetCache {
  readonly #dir: string;
  readonly #bytesMax: number;
  readonly #connections: Connections;
  readonly #random: Random;
  /** In order of use: a Map keeps the order of insertion. */
  readonly #entries = new Map<string, Entry>();
  readonly #flights = new Map<string, Promise<Result<null, FetchFailure>>>();
  #sizeBytes = 0;

  constructor(dir: string, bytesMax: number, connections: Connections, random: Random) {
    this.#dir = dir;
    this.#bytesMax = bytesMax;
    this.#connections = connections;
    this.#random = random;
  }

  /** Finds what former starts left; half-finished downloads are removed. */
  async open(): Promise<void> {
    await mkdir(this.#dir, { recursive: true, mode: 0o700 });
    await rm(join(this.#dir, 'incoming'), { recursive: true, force: true });
    await mkdir(join(this.#dir, 'incoming'), { mode: 0o700 });
    const found: { sha256: string; sizeBytes: number; usedAtMs: number }[] = [];
    for (const name of await readdir(this.#dir, { recursive: true })) {
      const sha256 = /^[0-9a-f]{2}\/([0-9a-f]{64})$/.exec(name)?.[1];
      if (sha256 === undefined) continue;
      const { size, mtimeMs } = await stat(join(this.#dir, name));
      found.push({ sha256, sizeBytes: size, usedAtMs: mtimeMs });
    }
    found.sort((one, other) => one.usedAtMs - other.usedAtMs);
    for (const { sha256, sizeBytes } of found) this.#add(sha256, sizeBytes);
    this.#evict();
  }

  /** Calls `use` with the path of the verified content, downloading it if need be. */
  async with<T>(
    input: InputDownload,
    signal: AbortSignal,
    use: (path: string) => Promise<T>,
  ): Promise<Result<T, FetchFailure>> {
    for (;;) {
      const entry = this.#entries.get(input.sha256);
      if (entry === undefined) {
        const flight = this.#flights.get(input.sha256) ?? this.#fly(input, signal);
        const landed = await flight;
        if (!landed.ok) return landed;
        continue;
      }
      entry.users += 1;
      this.#entries.delete(input.sha256);
      this.#entries.set(input.sha256, entry);
      try {
        return ok(await use(this.#path(input.sha256)));
      } finally {
        entry.users -= 1;
        this.#evict();
      }
    }
  }

  #fly(input: InputDownload, signal: AbortSignal): Promise<Result<null, FetchFailure>> {
    const flight = this.#download(input, signal).finally(() => this.#flights.delete(input.sha256));
    this.#flights.set(input.sha256, flight);
    return flight;
  }

  async #download(input: InputDownload, signal: AbortSignal): Promise<Result<null, FetchFailure>> {
    const opened = await openDownload(this.#connections, input.url, signal);
    if (!opened.ok) {
      return err({ passing: true, message: `${input.path}: ${opened.error.message}` });
    }
    const temporary = join(this.#dir, 'incoming', this.#random.uuid());
    const hash = createHash('sha256');
    let sizeBytes = 0;
    const measure = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        hash.update(chunk);
        sizeBytes += chunk.length;
        done(null, chunk);
      },
    });
    try {
      await pipeline(opened.value, measure, createWriteStream(temporary, { mode: 0o600 }), {
        signal,
      });
      const sha256 = hash.digest('hex');
      if (sha256 !== input.sha256 || sizeBytes !== input.sizeBytes) {
        await rm(temporary, { force: true });
        const message = `${input.path} arrived with SHA-256 ${sha256} and ${sizeBytes} bytes; expected ${input.sha256} and ${input.sizeBytes} bytes`;
        return err({ passing: false, message });
      }
      await mkdir(join(this.#dir, sha256.slice(0, 2)), { recursive: true, mode: 0o700 });
      await rename(temporary, this.#path(sha256));
      this.#add(sha256, sizeBytes);
      return ok(null);
    } catch (error) {
      await rm(temporary, { force: true });
      if (diskErrorCodes.has(errorCode(error) ?? '')) throw error;
      const message = error instanceof Error ? error.message : String(error);
      return err({ passing: true, message: `${input.path}: ${message}` });
    }
  }

  #add(sha256: string, sizeBytes: number): void {
    this.#entries.set(sha256, { sizeBytes, users: 0 });
    this.#sizeBytes += sizeBytes;
  }

  #evict(): void {
    for (const [sha256, entry] of this.#entries) {
      if (this.#sizeBytes <= this.#bytesMax) return;
      if (entry.users > 0) continue;
      this.#entries.delete(sha256);
      this.#sizeBytes -= entry.sizeBytes;
      // Synchronous: a download of the same content must not finish in between.
      rmSync(this.#path(sha256), { force: true });
    }
  }

  #path(sha256: string): string {
    return join(this.#dir, sha256.slice(0, 2), sha256);
  }
}

/** Errors of this node's disk; anything else that breaks a download is the connection's. */
const diskErrorCodes = new Set(['ENOSPC', 'EDQUOT', 'EIO', 'EROFS', 'EACCES', 'ENOENT', 'EMFILE']);
