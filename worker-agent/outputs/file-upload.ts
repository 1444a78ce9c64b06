import type { Upload } from '@karst/shared/protocol/files.ts';
import { err, ok, type Result } from '@karst/shared/result.ts';
import type { Connections } from '../http/exchange.ts';
import { putFile, type TransferFailure } from '../http/transfer.ts';
import { inParallel } from './in-parallel.ts';

export interface SentFile {
  /** Absolute. */
  localPath: string;
  sizeBytes: number;
}

export interface UploadFailure {
  message: string;
  /** Its links are no good any more: others have to be asked for. */
  stale: boolean;
}

const partsAtOnce = 3;

/** Links that ran out, and uploads that storage has forgotten. */
const isStale = ({ status }: TransferFailure): boolean =>
  status !== undefined && status >= 400 && status <= 499 && status !== 408 && status !== 429;

/** The upload of one file by its links. One in parts goes on, when it is sent again, at what is missing. */
export class FileUpload {
  readonly #file: SentFile;
  readonly #upload: Upload;
  readonly #etags = new Map<number, string>();

  constructor(file: SentFile, upload: Upload) {
    this.#file = file;
    this.#upload = upload;
  }

  /** `complete` is told of all parts. */
  async send(
    connections: Connections,
    complete: (uploadId: string, etags: string[]) => Promise<Result<null, UploadFailure>>,
    signal: AbortSignal,
  ): Promise<Result<null, UploadFailure>> {
    const { localPath: path, sizeBytes } = this.#file;
    const upload = this.#upload;
    if (upload.kind === 'single') {
      const range = { path, start: 0, end: sizeBytes };
      const put = await putFile(connections, upload.url, upload.headers, range, signal);
      // A link for one file costs nothing: the next try gets a fresh one.
      return put.ok ? ok(null) : err({ message: put.error.message, stale: true });
    }
    const missing = [...upload.parts.entries()].filter(([part]) => !this.#etags.has(part));
    let failure: TransferFailure | undefined;
    await inParallel(partsAtOnce, missing, async ([part, { url, headers }]) => {
      if (failure !== undefined) return;
      const start = part * upload.partSizeBytes;
      const range = { path, start, end: Math.min(start + upload.partSizeBytes, sizeBytes) };
      const put = await putFile(connections, url, headers, range, signal);
      if (put.ok) this.#etags.set(part, put.value.etag);
      else failure ??= put.error;
    });
    if (failure !== undefined) return err({ message: failure.message, stale: isStale(failure) });
    const etags = upload.parts.map((_, part) => this.#etags.get(part) ?? '');
    return await complete(upload.uploadId, etags);
  }
}
