import { createHash, randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  attemptUploadCompleteSchema,
  attemptUploadRequestSchema,
  type Upload,
} from '@karst/shared/protocol/files.ts';
import { leaseIdSchema } from '@karst/shared/protocol/ids.ts';
import {
  type Grant,
  grantSchema,
  liveLogSchema,
  type TaskResult,
} from '@karst/shared/protocol/lease.ts';
import {
  enrollSchema,
  NODE_TOKEN_AUDIENCE,
  type SyncRequest,
  type SyncResponse,
  syncRequestSchema,
} from '@karst/shared/protocol/node.ts';
import { type ProblemCode, problemCatalogue } from '@karst/shared/protocol/problem.ts';
import { importJWK, jwtVerify } from 'jose';
import type { z } from 'zod';
import { Changes } from './signal.ts';
import type { LeaseOptions, TestLease } from './test-lease.ts';
import { TestStorage } from './test-storage.ts';

const jobId = 'job-00000000000000000001';

const idle = { command: 'true', args: [], cancelation: { mode: 'TERMINATE' as const } };

class Problem extends Error {
  readonly code: ProblemCode;

  constructor(code: ProblemCode) {
    super(code);
    this.code = code;
  }
}

/**
 * The node protocol as an orchestrator speaks it, with grants in memory and a plain object store
 * beside it. A real HTTP server: agents under test are real processes that call it.
 */
export class TestOrchestrator {
  readonly changes = new Changes();
  readonly leases: TestLease[] = [];
  readonly syncs: SyncRequest[] = [];
  readonly answers: SyncResponse[] = [];
  /** When the last call that was answered had come in (as performance.now() tells). */
  answeredCallMs = Number.NaN;
  readonly storage = new TestStorage(() => this.url);
  readonly tokens = new Set(['good-token']);
  readonly requests: string[] = [];
  enrolledAs: { token: string; x: string } | undefined;
  livenessMs = 30_000;
  nextSyncMs = 5000;
  clockOffsetMs = 0;
  draining = false;
  hardStop = false;
  superseded = false;
  /** What the node is told it likely gets next, and its inputs. */
  hints: SyncResponse['prefetch'];
  ahead: TestLease['inputs'] = [];
  /** Grants are told in every answer, whether the agent knows them or not. */
  redelivers = false;
  /** So many calls with reports are read, and their connections dropped before they are answered. */
  dropAnswersToReports = 0;
  /** So many enrolments are recorded, and their connections dropped before they are answered. */
  dropAnswersToEnrollment = 0;
  /** Calls that it refuses to understand. */
  confusedBy: (request: SyncRequest) => boolean = () => false;
  readonly nodeId = 'node-00000000000000000001';
  #toldHints: SyncResponse['prefetch'];
  #waitingPoll: (() => void) | undefined;
  #port = 0;
  readonly #server = createServer((request, response) => {
    this.#handle(request, response).catch((error: unknown) => {
      response.destroy(error instanceof Error ? error : undefined);
    });
  });

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  async start(port = 0): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(port, '127.0.0.1', resolve));
    this.#port = (this.#server.address() as AddressInfo).port;
    return this;
  }

  /** Stops listening and drops every connection; start(port) comes back. */
  async stop(): Promise<number> {
    this.#wake();
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
    return this.#port;
  }

  /** Queues a lease and wakes a waiting poll. */
  lease(options: LeaseOptions): TestLease {
    const number = this.leases.length;
    const { like } = options;
    const last = options.last ?? like?.grant.last ?? 0;
    const grant = grantSchema.parse({
      leaseId: randomUUID(),
      jobId: options.jobId ?? jobId,
      step: like?.grant.step ?? number,
      spanId: number,
      epoch: 1,
      first: 0,
      last,
      resources: options.resources,
    });
    const space = {
      parameters: [{ name: 'Index', type: 'INT' as const, range: `0-${last}` }],
      combination: 'Index',
    };
    const lease: TestLease = {
      grant,
      definition: like?.definition ?? {
        jobId: grant.jobId,
        jobName: 'a test',
        step: number,
        parameters: options.parameters ?? {},
        definition: {
          name: `step ${number}`,
          dependsOn: [],
          taskCount: last + 1,
          parameterSpace: space,
          script: { onRun: idle, embeddedFiles: [] },
          ...options.step,
        },
        ...(options.environments === undefined ? {} : { environments: options.environments }),
        ...(options.outputChecks === undefined ? {} : { outputChecks: options.outputChecks }),
        locations: options.locations ?? {},
        hasInputs: options.inputs !== undefined,
        partChecksum: 'crc32',
      },
      inputs: options.inputs ?? [],
      state: 'waiting',
      results: [],
      log: new Map(),
    };
    this.leases.push(lease);
    this.#wake();
    return lease;
  }

  /** Takes a lease back. */
  lose(lease: TestLease): void {
    lease.state = 'lost';
    this.#wake();
  }

  wake(): void {
    this.#wake();
  }

  /** Resolves when every task of the lease has a result. */
  async finished(lease: TestLease): Promise<TaskResult[]> {
    const wanted = lease.grant.last - lease.grant.first + 1;
    return await this.changes.until(() => {
      const count = lease.results.reduce((sum, { first, last }) => sum + last - first + 1, 0);
      return count >= wanted ? lease.results : undefined;
    });
  }

  /** What an attempt uploaded, by its path. */
  object(lease: TestLease, task: number, kind: 'output' | 'log', path: string): Buffer | undefined {
    return this.storage.objects.get(`${lease.grant.leaseId}/${task}/${kind}/${path}`);
  }

  asset(content: Buffer): { sha256: string; sizeBytes: number } {
    const sha256 = createHash('sha256').update(content).digest('hex');
    this.storage.objects.set(`assets/${sha256}`, content);
    return { sha256, sizeBytes: content.length };
  }

  #wake(): void {
    this.#waitingPoll?.();
    this.changes.changed();
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', this.url);
    this.requests.push(`${request.method} ${url.pathname}`);
    response.setHeader('date', new Date(this.#nowMs()).toUTCString());
    const body = await readAll(request);
    if (url.pathname.startsWith('/storage/')) {
      this.storage.answer(request, response, decodeURIComponent(url.pathname.slice(9)), body);
      this.changes.changed();
      return;
    }
    try {
      const json: unknown = body.length === 0 ? undefined : JSON.parse(body.toString());
      const answer = await this.#route(request, url, json);
      response.setHeader('content-type', 'application/json');
      response.statusCode = url.pathname === '/v1/nodes' ? 201 : 200;
      response.end(JSON.stringify(answer));
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      const { status, title, retryable } = problemCatalogue[error.code];
      response.statusCode = status;
      response.setHeader('content-type', 'application/problem+json');
      response.end(
        JSON.stringify({ type: 'about:blank', title, status, code: error.code, retryable }),
      );
    }
    this.changes.changed();
  }

  async #route(request: IncomingMessage, url: URL, json: unknown): Promise<unknown> {
    const bearer = request.headers.authorization?.replace('Bearer ', '') ?? '';
    if (url.pathname === '/v1/nodes') return this.#enroll(bearer, json);
    await this.#authenticate(bearer);
    const parts = url.pathname.split('/').slice(4);
    if (parts[0] === 'sync') return await this.#sync(syncRequestSchema.parse(json));
    if (parts[0] === 'prefetch') return { items: this.#downloads(this.ahead) };
    const lease = this.#held(leaseIdSchema.parse(parts[1]));
    switch (parts.slice(2).join('/')) {
      case 'definition':
        return lease.definition;
      case 'inputs':
        return { items: this.#downloads(lease.inputs) };
      case 'uploads':
        return {
          uploads: attemptUploadRequestSchema
            .parse(json)
            .files.map((file) => this.#upload(lease, file)),
        };
      case 'uploads/complete':
        return this.#complete(json);
      case 'logs': {
        const { task, text } = liveLogSchema.parse(json);
        lease.log.set(task, (lease.log.get(task) ?? '') + text);
        return {};
      }
      default:
        throw new Problem('not_found');
    }
  }

  #enroll(token: string, json: unknown): unknown {
    const { publicKey } = enrollSchema.parse(json);
    const repeated = this.enrolledAs?.token === token && this.enrolledAs.x === publicKey.x;
    if (!repeated) {
      if (this.enrolledAs?.token === token) throw new Problem('enrollment_token_used');
      if (!this.tokens.has(token)) throw new Problem('unauthenticated');
      this.enrolledAs = { token, x: publicKey.x };
    }
    if (this.dropAnswersToEnrollment > 0) {
      this.dropAnswersToEnrollment -= 1;
      throw new Error('answer dropped');
    }
    return { nodeId: this.nodeId };
  }

  async #authenticate(jwt: string): Promise<void> {
    const x = this.enrolledAs?.x ?? '';
    try {
      const key = await importJWK({ kty: 'OKP', crv: 'Ed25519', x }, 'EdDSA');
      await jwtVerify(jwt, key, {
        audience: NODE_TOKEN_AUDIENCE,
        subject: this.nodeId,
        currentDate: new Date(this.#nowMs()),
        maxTokenAge: 600,
      });
    } catch {
      throw new Problem('unauthenticated');
    }
  }

  async #sync(request: SyncRequest): Promise<SyncResponse> {
    const arrivedMs = performance.now();
    if (this.superseded) throw new Problem('node_superseded');
    this.syncs.push(request);
    this.changes.changed();
    if (this.confusedBy(request)) throw new Problem('invalid_request');
    this.#waitingPoll?.();
    const reports = request.reports.map((report) => {
      const lease = this.leases.find(({ grant }) => grant.leaseId === report.leaseId);
      if (lease === undefined || lease.state === 'lost')
        return { leaseId: report.leaseId, status: 'lost' as const };
      lease.results.push(...report.results);
      return { leaseId: report.leaseId, status: 'accepted' as const };
    });
    if (request.reports.length > 0 && this.dropAnswersToReports > 0) {
      this.dropAnswersToReports -= 1;
      throw new Error('answer dropped');
    }
    let grants = this.#grants(request);
    const lost = () =>
      request.held.filter(
        (id) => this.leases.find(({ grant }) => grant.leaseId === id)?.state === 'lost',
      );
    if (
      grants.length === 0 &&
      reports.length === 0 &&
      request.waitMs > 0 &&
      lost().length === 0 &&
      this.hints === this.#toldHints &&
      !this.draining
    ) {
      const overtaken = await this.#wait(request);
      if (!overtaken) grants = this.#grants(request);
    }
    this.#toldHints = this.hints;
    const answer: SyncResponse = {
      seq: request.seq,
      serverTimeMs: this.#nowMs(),
      livenessMs: this.livenessMs,
      nextSyncMs: this.nextSyncMs,
      grants,
      reports,
      lost: lost(),
      draining: this.draining,
      hardStop: this.hardStop,
      ...(this.hints === undefined ? {} : { prefetch: this.hints }),
    };
    this.answers.push(answer);
    this.answeredCallMs = arrivedMs;
    return answer;
  }

  /** Long-polls; true when a newer call overtook this one. */
  async #wait(request: SyncRequest): Promise<boolean> {
    const timeout = AbortSignal.timeout(request.waitMs);
    await new Promise<void>((resolve) => {
      this.#waitingPoll = resolve;
      timeout.addEventListener('abort', () => resolve());
    });
    this.#waitingPoll = undefined;
    return this.syncs.at(-1) !== request;
  }

  #grants(request: SyncRequest): Grant[] {
    if (request.draining) return [];
    const grants: Grant[] = [];
    let free = request.wanted;
    for (const lease of this.leases) {
      const known = request.held.includes(lease.grant.leaseId);
      if (lease.state === 'waiting' && free > 0) {
        lease.state = 'granted';
        free -= 1;
        grants.push(lease.grant);
      } else if (
        lease.state === 'granted' &&
        this.redelivers &&
        (known || lease.results.length > 0)
      ) {
        grants.push(lease.grant);
      }
    }
    return grants;
  }

  #downloads(inputs: TestLease['inputs']) {
    return inputs.map((one) => ({ ...one, url: this.storage.urlOf(`assets/${one.sha256}`) }));
  }

  #held(leaseId: string): TestLease {
    const lease = this.leases.find(({ grant }) => grant.leaseId === leaseId);
    if (lease?.state !== 'granted') throw new Problem('lease_lost');
    return lease;
  }

  #complete(json: unknown): object {
    const { uploadId, etags } = attemptUploadCompleteSchema.parse(json);
    if (!this.storage.complete(uploadId, etags)) throw new Problem('conflict');
    return {};
  }

  #upload(
    lease: TestLease,
    file: z.infer<typeof attemptUploadRequestSchema>['files'][number],
  ): Upload {
    const key = `${lease.grant.leaseId}/${file.task}/${file.kind}/${file.path}`;
    const upload = this.storage.upload(key, file.sizeBytes, file.partSums);
    if (upload === undefined) throw new Problem('invalid_request');
    return upload;
  }

  #nowMs(): number {
    return Date.now() + this.clockOffsetMs;
  }
}

async function readAll(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks);
}
