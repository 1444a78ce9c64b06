import { createHash } from 'node:crypto';
import { appendFile, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Clock } from '@karst/shared/clock.ts';
import { z } from 'zod';

const lineSchema = z.union([
  z.object({ version: z.literal(1), uploadId: z.string().min(1).max(2000) }),
  z.object({ number: z.int().min(1), etag: z.string().min(1) }),
]);

/** Storage forgets uploads that nobody completes, after days at least. */
const AGE_MS_MAX = 7 * 86_400_000;

/**
 * What is known of one multipart upload: a line for its id, and one for each part that storage has
 * taken. It lets the next submit go on where this one was cut. Nothing depends on it: a file that is
 * lost or damaged means parts that are sent again.
 */
export class UploadState {
  readonly #file: string | undefined;
  uploadId: string | undefined;
  /** By part number, from 1. */
  readonly etags = new Map<number, string>();

  private constructor(file: string | undefined) {
    this.#file = file;
  }

  /** Of the content `sha256` on its way to the farm `origin`; kept nowhere without `cacheDir`. */
  static async open(
    cacheDir: string | undefined,
    origin: string,
    sha256: string,
  ): Promise<UploadState> {
    if (cacheDir === undefined) return new UploadState(undefined);
    const name = createHash('sha256').update(`${origin}\n${sha256}`).digest('hex').slice(0, 32);
    const file = path.join(uploadsDir(cacheDir), `${name}.jsonl`);
    const state = new UploadState(file);
    const text = await readFile(file, 'utf8').catch(() => '');
    for (const line of text.split('\n')) state.#read(line);
    return state;
  }

  async begin(uploadId: string): Promise<void> {
    this.uploadId = uploadId;
    this.etags.clear();
    await this.#keep(async (file) => {
      await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
      await writeFile(file, `${JSON.stringify({ version: 1, uploadId })}\n`, { mode: 0o600 });
    });
  }

  async add(number: number, etag: string): Promise<void> {
    this.etags.set(number, etag);
    await this.#keep((file) => appendFile(file, `${JSON.stringify({ number, etag })}\n`));
  }

  async remove(): Promise<void> {
    this.uploadId = undefined;
    this.etags.clear();
    await this.#keep((file) => rm(file, { force: true }));
  }

  #read(line: string): void {
    const parsed = lineSchema.safeParse(parseLine(line));
    if (!parsed.success) return;
    if ('uploadId' in parsed.data) {
      this.uploadId = parsed.data.uploadId;
      this.etags.clear();
    } else this.etags.set(parsed.data.number, parsed.data.etag);
  }

  async #keep(write: (file: string) => Promise<void>): Promise<void> {
    if (this.#file === undefined) return;
    // Without it the upload goes on; only a cut one would begin anew.
    await write(this.#file).catch(() => undefined);
  }
}

const uploadsDir = (cacheDir: string) => path.join(cacheDir, 'uploads');

/** Removes what tells of uploads that storage has forgotten by now. */
export async function removeOldStates(cacheDir: string, clock: Clock): Promise<void> {
  const dir = uploadsDir(cacheDir);
  for (const name of await readdir(dir).catch(() => [])) {
    const file = path.join(dir, name);
    const found = await stat(file).catch(() => undefined);
    if (found && clock.nowMs() - found.mtimeMs > AGE_MS_MAX) await rm(file, { force: true });
  }
}

function parseLine(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    // A line that a killed process left half written.
    return undefined;
  }
}
