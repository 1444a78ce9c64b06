import type { IncomingMessage } from 'node:http';
import { type Problem, problemSchema } from '@karst/shared/protocol/problem.ts';
import { type Route, type RouteRequest, routeUrl } from '@karst/shared/protocol/route.ts';
import type { Random } from '@karst/shared/random.ts';
import type { z } from 'zod';
import { CliError } from '../failure.ts';
import { quickRetry, type RetryPlan, withRetries } from './backoff.ts';
import { NetworkError, readText, sendHttp } from './http.ts';
import { ProblemResponseError } from './problem-error.ts';

/** The orchestrator can't be reached, or what answers there is not one. */
export class UnreachableError extends CliError {
  override name = 'UnreachableError';
}

type Section<Name extends string, T> = [T] extends [undefined]
  ? { [K in Name]?: undefined }
  : string extends keyof T
    ? { [K in Name]?: T }
    : { [K in Name]: T };

/** What a call sends: a section may be left out only where the route takes nothing there. */
export type CallInput<R extends Route> = Section<'params', RouteRequest<R>['params']> &
  Section<'body', RouteRequest<R>['body']> & { query?: RouteRequest<R>['query'] };

export interface CallOptions {
  signal?: AbortSignal | undefined;
  headers?: Record<string, string>;
  /** Default: reads and deletions are repeated when the network fails, other calls are not. */
  retry?: RetryPlan | 'never';
  idleMsMax?: number;
}

interface LooseInput {
  params?: Record<string, unknown> | undefined;
  query?: Record<string, unknown> | undefined;
  body?: unknown;
}

/** Calls the API by its route table: what it sends and what it gets are typed by the row. */
export class ApiClient {
  readonly #url: URL;
  readonly #key: string;
  readonly #random: Random;

  constructor(options: { url: URL; key: string; random: Random }) {
    this.#url = options.url;
    this.#key = options.key;
    this.#random = options.random;
  }

  /** Where the farm is, for messages and for what is kept about it. */
  get origin(): string {
    return this.#url.origin;
  }

  get random(): Random {
    return this.#random;
  }

  /** Answers the parsed response. Throws ProblemResponseError, UnreachableError. */
  async call<R extends Route, S extends z.ZodType>(
    row: R & { response: S },
    input: CallInput<R>,
    options: CallOptions = {},
  ): Promise<z.output<S>> {
    const answer = await this.#open(row, input, options, 'application/json');
    const text = await this.#read(answer);
    const parsed = row.response.safeParse(parseJson(text));
    if (parsed.success) return parsed.data;
    const issue = parsed.error.issues[0];
    throw new UnreachableError(
      `The answer of ${this.#url.origin} to ${row.method.toUpperCase()} ${row.path} can't be ` +
        `understood (${issue?.path.join('.')}: ${issue?.message}). Is the CLI as new as the orchestrator?`,
    );
  }

  /** Opens a streaming answer (text, events); the caller reads it. */
  stream<R extends Route>(
    row: R,
    input: CallInput<R>,
    options: CallOptions = {},
  ): Promise<IncomingMessage> {
    const accept = 'mediaType' in row.response ? String(row.response.mediaType) : '*/*';
    return this.#open(row, input, options, accept);
  }

  async #open(
    row: Route,
    input: LooseInput,
    options: CallOptions,
    accept: string,
  ): Promise<IncomingMessage> {
    const url = new URL(routeUrl(row, input.params ?? {}, input.query ?? {}), this.#url);
    const body = input.body === undefined ? undefined : JSON.stringify(input.body);
    const headers: Record<string, string> = {
      accept: `${accept}, application/problem+json`,
      authorization: `Bearer ${this.#key}`,
      ...(body === undefined
        ? {}
        : {
            'content-type': 'application/json',
            'content-length': String(Buffer.byteLength(body)),
          }),
      ...options.headers,
    };
    const plan = options.retry ?? (row.method === 'post' ? 'never' : quickRetry);
    const { signal, idleMsMax } = options;
    const once = async () => {
      const answer = await sendHttp({
        method: row.method.toUpperCase(),
        url,
        headers,
        ...(body === undefined ? {} : { body }),
        signal,
        ...(idleMsMax === undefined ? {} : { idleMsMax }),
      });
      const status = answer.statusCode ?? 0;
      if (status >= 200 && status < 300) return answer;
      throw new ProblemResponseError(toProblem(status, await readText(answer, 4_194_304)));
    };
    try {
      if (plan === 'never') return await once();
      return await withRetries(once, { plan, random: this.#random, mayRetry: isTransient, signal });
    } catch (error) {
      throw this.#explained(error);
    }
  }

  async #read(answer: IncomingMessage): Promise<string> {
    try {
      return await readText(answer);
    } catch (error) {
      throw this.#explained(error);
    }
  }

  #explained(error: unknown): unknown {
    if (!(error instanceof NetworkError)) return error;
    return new UnreachableError(
      `The orchestrator at ${this.#url.origin} can't be reached: ${error.message}.`,
      { cause: error },
    );
  }
}

/** Whether the same request may succeed a little later. */
export function isTransient(error: unknown): boolean {
  if (error instanceof ProblemResponseError) {
    const { status, retryable } = error.problem;
    return retryable || status === 429 || status === 502 || status === 504;
  }
  return error instanceof NetworkError || error instanceof UnreachableError;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Not JSON is not one of ours: the schema refuses it with a message.
    return undefined;
  }
}

/** Anything in between (a proxy) may answer without our problem format. */
function toProblem(status: number, text: string): Problem {
  const parsed = problemSchema.safeParse(parseJson(text));
  if (parsed.success) return parsed.data;
  return {
    type: 'about:blank',
    title: `The server answered ${status} without saying why (is this a Karst orchestrator?)`,
    status,
    code: 'unknown',
    retryable: status === 503,
  };
}
