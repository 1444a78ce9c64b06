import { type Problem, problemSchema } from '@karst/shared/protocol/problem.ts';

export interface CallOptions {
  /** Sent as bearer. */
  key?: string;
  /** Sent as JSON; a string is sent as it is. */
  body?: unknown;
  headers?: Record<string, string>;
}
export interface Answer {
  status: number;
  headers: Headers;
  body: unknown;
}

/** One HTTP call over a real socket. */
export async function call(
  baseUrl: string,
  method: string,
  path: string,
  { key, body, headers = {} }: CallOptions = {},
): Promise<Answer> {
  const response = await fetch(`${baseUrl}${path}`, {
    method,
    headers: {
      ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  const json = /json/.test(response.headers.get('content-type') ?? '');
  return {
    status: response.status,
    headers: response.headers,
    body: json && text !== '' ? JSON.parse(text) : text,
  };
}

/** The answer's problem; throws when it is none. */
export function problemIn(answer: Answer): Problem {
  if (answer.headers.get('content-type') !== 'application/problem+json') {
    throw new Error(`expected a problem, got ${answer.status} ${JSON.stringify(answer.body)}`);
  }
  return problemSchema.parse(answer.body);
}
