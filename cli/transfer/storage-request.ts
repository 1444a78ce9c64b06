import type { IncomingMessage } from 'node:http';
import type { Random } from '@karst/shared/random.ts';
import { patientRetry, withRetries } from '../api/backoff.ts';
import { asBrokenAnswer, NetworkError, readText, sendHttp } from '../api/http.ts';
import { CliError } from '../failure.ts';

/** Storage answered a presigned request with a refusal. */
export class StorageRefusalError extends CliError {
  override name = 'StorageRefusalError';
  readonly status: number;
  /** S3's code: BadDigest, AccessDenied. */
  readonly code: string;

  constructor(what: string, status: number, code: string, message: string) {
    super(`Storage refused ${what}: ${code}${message ? `: ${message}` : ''} (${status}).`);
    this.status = status;
    this.code = code;
  }
}

/** Storage could not be reached, though tried for a while. */
export class StorageUnreachableError extends CliError {
  override name = 'StorageUnreachableError';
}

export interface StorageRequest {
  method: 'PUT' | 'GET';
  url: string;
  headers?: Record<string, string>;
  /** Called for every try: chunks can be sent once. */
  body?: () => Buffer | AsyncIterable<Buffer>;
  /** What it is about, for messages: "scene.blend". */
  what: string;
  random: Random;
  signal: AbortSignal;
}

const PASSING_STATUSES: ReadonlySet<number> = new Set([408, 429, 500, 502, 503, 504]);

/** S3 answers 400 where a body came too slowly for it. */
const PASSING_CODES: ReadonlySet<string> = new Set(['RequestTimeout']);

/** One presigned request, repeated while its failure can pass; `use` reads the answer within a try. */
export async function storageRequest<T>(
  request: StorageRequest,
  use: (answer: IncomingMessage) => Promise<T>,
): Promise<T> {
  const url = new URL(request.url);
  const once = async () => {
    const body = request.body?.();
    const answer = await sendHttp({
      method: request.method,
      url,
      ...(request.headers === undefined ? {} : { headers: request.headers }),
      ...(body === undefined ? {} : { body }),
      signal: request.signal,
    });
    const status = answer.statusCode ?? 0;
    if (status >= 200 && status < 300) {
      return use(answer).catch((error: unknown) => {
        throw asBrokenAnswer(error);
      });
    }
    const { code, message } = s3Error(await readText(answer, 65_536));
    throw new StorageRefusalError(request.what, status, code, message);
  };
  try {
    return await withRetries(once, {
      plan: patientRetry,
      random: request.random,
      mayRetry: isPassing,
      signal: request.signal,
    });
  } catch (error) {
    if (!(error instanceof NetworkError)) throw error;
    throw new StorageUnreachableError(
      `Storage at ${url.origin} can't be reached for ${request.what}: ${error.message}.`,
      { cause: error },
    );
  }
}

const isPassing = (error: unknown): boolean =>
  error instanceof NetworkError ||
  (error instanceof StorageRefusalError &&
    (PASSING_STATUSES.has(error.status) || PASSING_CODES.has(error.code)));

/** S3 errors are small XML documents: `<Error><Code>BadDigest</Code><Message>…</Message>…`. */
function s3Error(text: string): { code: string; message: string } {
  const element = (name: string) => new RegExp(`<${name}>([^<]*)</${name}>`).exec(text)?.[1];
  return { code: element('Code') ?? 'no reason given', message: element('Message') ?? '' };
}
