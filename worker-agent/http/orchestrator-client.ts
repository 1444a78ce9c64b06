import {
  type attemptUploadCompleteSchema,
  type attemptUploadRequestSchema,
  attemptUploadResponseSchema,
  inputDownloadSchema,
} from '@karst/shared/protocol/files.ts';
import type { LeaseId, NodeId } from '@karst/shared/protocol/ids.ts';
import { type LeaseDefinition, leaseDefinitionSchema } from '@karst/shared/protocol/lease.ts';
import {
  enrolledSchema,
  type enrollSchema,
  type PrefetchHint,
  type SyncRequestInput,
  type SyncResponse,
  syncResponseSchema,
} from '@karst/shared/protocol/node.ts';
import { pageOf } from '@karst/shared/protocol/page.ts';
import { problemSchema } from '@karst/shared/protocol/problem.ts';
import { err, ok, type Result } from '@karst/shared/result.ts';
import { z } from 'zod';
import type { NodeToken } from '../identity/node-token.ts';
import type { ServerClock } from '../identity/server-clock.ts';
import { type Connections, exchange, type HttpAnswer, type Unreachable } from './exchange.ts';

/** Why a call brought nothing: no answer at all, or an answer that says no. */
export type CallFailure =
  | Unreachable
  | { kind: 'problem'; status: number; code: string; message: string; retryable: boolean };

export type Called<T> = Promise<Result<T, CallFailure>>;

const done = z.object({});
const inputsPageSchema = pageOf(inputDownloadSchema);
export type InputDownload = z.infer<typeof inputDownloadSchema>;

interface Call {
  method: 'GET' | 'POST';
  path: string;
  body?: unknown;
  timeoutMs?: number;
  signal?: AbortSignal;
}

const answerTimeoutMs = 15_000;

/** The agent's side of the node protocol: one method for each call; failures are values. */
export class OrchestratorClient {
  readonly #base: URL;
  readonly #connections: Connections;
  readonly #serverClock: ServerClock;
  #node: { id: NodeId; token: NodeToken } | undefined;

  constructor(base: URL, connections: Connections, serverClock: ServerClock) {
    this.#base = base;
    this.#connections = connections;
    this.#serverClock = serverClock;
  }

  /** Calls after this one speak for the node. */
  actAs(id: NodeId, token: NodeToken): void {
    this.#node = { id, token };
  }

  async enroll(
    token: string,
    body: z.input<typeof enrollSchema>,
    signal: AbortSignal,
  ): Called<z.infer<typeof enrolledSchema>> {
    const sent = await this.#send({ method: 'POST', path: '/v1/nodes', body, signal }, token);
    if (sent.ok) this.#serverClock.learnFromDate(sent.value.headers.date);
    return read(sent, enrolledSchema);
  }

  /** The one heartbeat call. `waitMs` of the body lengthens the time an answer may take. */
  async sync(body: SyncRequestInput, signal?: AbortSignal): Called<SyncResponse> {
    const timeoutMs = (body.waitMs ?? 0) + answerTimeoutMs;
    const path = '/sync';
    const answer = await this.#asNode(
      { method: 'POST', path, body, timeoutMs, ...(signal === undefined ? {} : { signal }) },
      syncResponseSchema,
    );
    if (answer.ok) this.#serverClock.learn(answer.value.serverTimeMs);
    return answer;
  }

  definition(leaseId: LeaseId, signal: AbortSignal): Called<LeaseDefinition> {
    const path = `/leases/${leaseId}/definition`;
    return this.#asNode({ method: 'GET', path, signal }, leaseDefinitionSchema);
  }

  inputs(
    leaseId: LeaseId,
    cursor: string | undefined,
    signal: AbortSignal,
  ): Called<z.infer<typeof inputsPageSchema>> {
    const query = cursor === undefined ? '' : `&cursor=${encodeURIComponent(cursor)}`;
    const path = `/leases/${leaseId}/inputs?limit=1000${query}`;
    return this.#asNode({ method: 'GET', path, signal }, inputsPageSchema);
  }

  /** Of what the node was told it likely gets next. */
  prefetchInputs(
    { jobId, step }: PrefetchHint,
    cursor: string | undefined,
    signal: AbortSignal,
  ): Called<z.infer<typeof inputsPageSchema>> {
    const query = cursor === undefined ? '' : `&cursor=${encodeURIComponent(cursor)}`;
    const path = `/prefetch/${jobId}/${step}/inputs?limit=1000${query}`;
    return this.#asNode({ method: 'GET', path, signal }, inputsPageSchema);
  }

  createUploads(
    leaseId: LeaseId,
    body: z.input<typeof attemptUploadRequestSchema>,
    signal: AbortSignal,
  ): Called<z.infer<typeof attemptUploadResponseSchema>> {
    const path = `/leases/${leaseId}/uploads`;
    return this.#asNode({ method: 'POST', path, body, signal }, attemptUploadResponseSchema);
  }

  completeUpload(
    leaseId: LeaseId,
    body: z.input<typeof attemptUploadCompleteSchema>,
    signal: AbortSignal,
  ): Called<object> {
    // Storage joins the parts before it answers, which takes long for large files.
    const timeoutMs = 300_000;
    const path = `/leases/${leaseId}/uploads/complete`;
    return this.#asNode({ method: 'POST', path, body, signal, timeoutMs }, done);
  }

  /** Best effort, so it gives up soon. */
  appendLog(leaseId: LeaseId, task: number, text: string): Called<object> {
    const path = `/leases/${leaseId}/logs`;
    return this.#asNode({ method: 'POST', path, body: { task, text }, timeoutMs: 5000 }, done);
  }

  /** Refused as unauthenticated, a call is repeated once with a token by the answer's own clock. */
  async #asNode<S extends z.ZodType>(call: Call, schema: S): Called<z.output<S>> {
    const node = this.#node;
    if (node === undefined) throw new Error('a node call before enrolment');
    const nodeCall = { ...call, path: `/v1/nodes/${node.id}${call.path}` };
    let sent = await this.#send(nodeCall, await node.token.jwt());
    if (sent.ok && sent.value.status === 401) {
      this.#serverClock.learnFromDate(sent.value.headers.date);
      node.token.forget();
      sent = await this.#send(nodeCall, await node.token.jwt());
    }
    return read(sent, schema);
  }

  #send(call: Call, bearer: string): Promise<Result<HttpAnswer, Unreachable>> {
    const body = call.body === undefined ? undefined : JSON.stringify(call.body);
    return exchange(this.#connections, {
      method: call.method,
      url: new URL(call.path, this.#base),
      headers: {
        authorization: `Bearer ${bearer}`,
        accept: 'application/json',
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body }),
      timeoutMs: call.timeoutMs ?? answerTimeoutMs,
      ...(call.signal === undefined ? {} : { signal: call.signal }),
    });
  }
}

function read<S extends z.ZodType>(
  sent: Result<HttpAnswer, Unreachable>,
  schema: S,
): Result<z.output<S>, CallFailure> {
  if (!sent.ok) return sent;
  const { status, body } = sent.value;
  const json = parseJson(body.toString('utf8'));
  if (status < 200 || status > 299) return err(problemOf(status, json));
  const parsed = schema.safeParse(json);
  if (parsed.success) return ok(parsed.data);
  const message = `the answer is not what was expected: ${z.prettifyError(parsed.error)}`;
  return err({ kind: 'problem', status, code: 'unexpected_answer', message, retryable: false });
}

function problemOf(status: number, json: unknown): CallFailure {
  const problem = problemSchema.safeParse(json);
  if (!problem.success) {
    // Proxies answer without a problem document.
    const retryable = status >= 500 || status === 429;
    return { kind: 'problem', status, code: 'unknown', message: `HTTP ${status}`, retryable };
  }
  const { code, title, detail, retryable, errors } = problem.data;
  const fields = (errors ?? []).map((one) => `${one.path.join('.')}: ${one.message}`);
  const message = [title, ...(detail === undefined ? [] : [detail]), ...fields].join('; ');
  return { kind: 'problem', status, code, message, retryable };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
