import type { Role } from '@karst/shared/protocol/access.ts';
import type { KeyId, NodeId, StudioId } from '@karst/shared/protocol/ids.ts';
import type { FieldError, ProblemCode } from '@karst/shared/protocol/problem.ts';
import type { Route, RouteInput, RouteOutput } from '@karst/shared/protocol/route.ts';
import type { OperationId, Routes } from '@karst/shared/protocol/routes.ts';
import type { Request, Response } from 'express';

export interface StudioPrincipal {
  kind: 'studio';
  studio: StudioId;
  role: Role;
  keyId: KeyId;
}
export interface NodePrincipal {
  kind: 'node';
  nodeId: NodeId;
}
/** Carries the presented one-time token; consuming it is the handler's atomic step. */
export interface EnrollmentPrincipal {
  kind: 'enrollment';
  token: string;
}
export interface PublicPrincipal {
  kind: 'public';
}

interface Principals {
  studio: StudioPrincipal;
  node: NodePrincipal;
  enrollment: EnrollmentPrincipal;
  public: PublicPrincipal;
}
export type Principal = Principals[keyof Principals];
export type PrincipalOf<R extends Route> = Principals[R['access']['kind']];

export interface RequestContext<R extends Route> {
  principal: PrincipalOf<R>;
  /** Quoted in problems and logs. */
  requestId: string;
  /** Aborts when the client went away or the orchestrator shuts down. */
  signal: AbortSignal;
  /** Calls the listener once that happens, at once if it has. Lighter than a signal, for calls that wait. */
  onGone(listener: () => void): void;
  idempotencyKey: string | undefined;
  /** For handlers of routes that stream; they end the response themselves. */
  request: Request;
  response: Response;
}

/** Answers one operation. Throw a ProblemError for anything the caller should be told. */
export type Handler<R extends Route> = (
  input: RouteInput<R>,
  context: RequestContext<R>,
) => Promise<RouteOutput<R>>;

export type Handlers = { [K in OperationId]: Handler<Routes[K]> };

/** An expected failure, told to the caller as an RFC 9457 problem. `detail` is public. */
export class ProblemError extends Error {
  readonly code: ProblemCode;
  readonly detail: string;
  readonly errors: readonly FieldError[];

  constructor(code: ProblemCode, detail: string, errors: readonly FieldError[] = []) {
    super(`${code}: ${detail}`);
    this.name = 'ProblemError';
    this.code = code;
    this.detail = detail;
    this.errors = errors;
  }
}
