import { z } from 'zod';
import type { Role } from './access.ts';
import type { ProblemCode } from './problem.ts';

export type Method = 'get' | 'post' | 'put' | 'patch' | 'delete';

/** Who may call: nobody in particular, an API key of a role, an enrolled node itself, a one-time token. */
export type Access =
  | { kind: 'public' }
  | { kind: 'studio'; role: Role }
  | { kind: 'node' }
  | { kind: 'enrollment' };

/** One row of the route table: validation, types, authorisation and OpenAPI all come from it. */
export interface Route {
  method: Method;
  /** OpenAPI path, parameters in braces. */
  path: string;
  tag:
    | 'jobs'
    | 'tasks'
    | 'files'
    | 'events'
    | 'nodes'
    | 'node protocol'
    | 'settings'
    | 'access'
    | 'service';
  summary: string;
  access: Access;
  params: z.ZodObject;
  query: z.ZodObject;
  /** null: no body. */
  body: z.ZodType | null;
  /** A schema for JSON; a media type for anything else (streams). */
  response: z.ZodType | { mediaType: string };
  status: number;
  /** Besides those every route may answer (see commonProblems). */
  problems: readonly ProblemCode[];
}

export const commonProblems: readonly ProblemCode[] = [
  'invalid_request',
  'store_unavailable',
  'internal',
];

const empty = z.object({});

type Defaults = {
  params: typeof empty;
  query: typeof empty;
  body: null;
  status: 200;
  problems: readonly [];
};

/** Fills what a row leaves out. */
export const route = <
  const T extends Omit<Route, keyof Defaults> & Partial<Pick<Route, keyof Defaults>>,
>(
  row: T,
): Omit<Defaults, keyof T> & T => {
  const defaults: Defaults = { params: empty, query: empty, body: null, status: 200, problems: [] };
  return { ...defaults, ...row };
};

type BodyOf<R extends Route, Side extends 'input' | 'output'> = R['body'] extends z.ZodType
  ? Side extends 'input'
    ? z.input<R['body']>
    : z.output<R['body']>
  : undefined;

/** What a handler receives: parsed, defaults filled. */
export interface RouteInput<R extends Route> {
  params: z.output<R['params']>;
  query: z.output<R['query']>;
  body: BodyOf<R, 'output'>;
}

/** What a client sends: before defaults. */
export interface RouteRequest<R extends Route> {
  params: z.input<R['params']>;
  query: z.input<R['query']>;
  body: BodyOf<R, 'input'>;
}

export type RouteOutput<R extends Route> = R['response'] extends z.ZodType
  ? z.output<R['response']>
  : undefined;

/** Builds the path and query of a call: `/v1/jobs/job-…?limit=10`. */
export function routeUrl(
  row: Route,
  params: Record<string, unknown>,
  query: Record<string, unknown>,
): string {
  const path = row.path.replace(/\{(\w+)\}/g, (_, name: string) =>
    encodeURIComponent(String(params[name])),
  );
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) search.set(name, String(value));
  }
  const text = search.toString();
  return text === '' ? path : `${path}?${text}`;
}
