import { open, readFile, rename } from 'node:fs/promises';
import { sha256Schema } from '@karst/shared/protocol/files.ts';
import { z } from 'zod';
import { errorCode } from '../session/failure.ts';

/** What is known of a file of the cache. */
export interface KnownAsset {
  sha256: string;
  sizeBytes: number;
  /** Of the file when its content was last seen to be right; equal: nobody has touched it since. */
  stamp: string;
  /** When that was, by the node's clock. */
  verifiedAtMs: number;
}

const headSchema = z.object({ version: z.literal(1), bootId: z.string() });
const lineSchema = z.tuple([sha256Schema, z.int().min(0), z.string(), z.number()]);

const linesPerWrite = 1000;

/**
 * What the cache knew of its files when it was last written, least recently used first. It may be
 * older than the files: what it does not tell of is read through before it is used.
 *
 * Neither it nor the files are synced to the disk: 10,000 small files would each wait for it. The page
 * cache outlives the process, so after a crash of the agent what the index says holds. It does not
 * outlive the machine: after a power failure a file may be there in its full length with other bytes.
 * Hence the kernel's boot id: an index written under another one tells order and sizes only, and each
 * file is read through when it is first used, which costs less than fetching it.
 */
export class CacheIndex {
  readonly #path: string;
  readonly #bootId: string;

  constructor(path: string, bootId: string) {
    this.#path = path;
    this.#bootId = bootId;
  }

  /** Empty when there is none, or none that can be read. `trusted`: the machine has run since. */
  async read(): Promise<{ trusted: boolean; assets: KnownAsset[] }> {
    let text: string;
    try {
      text = await readFile(this.#path, 'utf8');
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return { trusted: false, assets: [] };
      throw error;
    }
    const [first = '', ...lines] = text.split('\n');
    const head = headSchema.safeParse(parseJson(first));
    if (!head.success) return { trusted: false, assets: [] };
    const assets = lines.flatMap((line) => {
      const parsed = lineSchema.safeParse(parseJson(line));
      if (!parsed.success) return [];
      const [sha256, sizeBytes, stamp, verifiedAtMs] = parsed.data;
      return [{ sha256, sizeBytes, stamp, verifiedAtMs }];
    });
    return { trusted: head.data.bootId === this.#bootId && this.#bootId !== '', assets };
  }

  /** Replaces it. `assets` is read while it is written. */
  async write(assets: Iterable<KnownAsset>): Promise<void> {
    const temporary = `${this.#path}.new`;
    const file = await open(temporary, 'w', 0o600);
    try {
      let lines = [JSON.stringify({ version: 1, bootId: this.#bootId })];
      for (const { sha256, sizeBytes, stamp, verifiedAtMs } of assets) {
        lines.push(JSON.stringify([sha256, sizeBytes, stamp, verifiedAtMs]));
        if (lines.length < linesPerWrite) continue;
        await file.appendFile(`${lines.join('\n')}\n`);
        lines = [];
      }
      await file.appendFile(`${lines.join('\n')}\n`);
    } finally {
      await file.close();
    }
    await rename(temporary, this.#path);
  }
}

/** The kernel's id of this run of the machine; empty where it has none: then no index is trusted. */
export async function machineBootId(): Promise<string> {
  try {
    return (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
  } catch {
    return '';
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
