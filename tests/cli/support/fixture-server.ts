import { createHash } from 'node:crypto';
import http from 'node:http';
import { assetUploadRequestSchema } from '@karst/shared/protocol/asset-uploads.ts';
import type { OutputDownload } from '@karst/shared/protocol/files.ts';
import type { Job, Step } from '@karst/shared/protocol/job.ts';
import { jobSchema, stepSchema } from '@karst/shared/protocol/job.ts';
import { type ProblemCode, problemCatalogue } from '@karst/shared/protocol/problem.ts';
import { type Task, taskSchema } from '@karst/shared/protocol/task.ts';
import { onTestFinished } from 'vitest';

export const JOB_ID = 'job-0123456789abcdef0123';
const NOTHING = { bytes: 0, objects: 0 };
const EMPTY_STORAGE = {
  studio: 'default',
  usedBytes: 0,
  inputs: NOTHING,
  outputs: NOTHING,
  other: NOTHING,
};
export const KEY = 'karst_0123456789abcdef0123_secret';

export interface SeenRequest {
  method: string;
  path: string;
  headers: http.IncomingHttpHeaders;
  body: Buffer;
}

type Answer = (request: SeenRequest, response: http.ServerResponse) => void | Promise<void>;

/** A job that a test puts into whatever state it is about. */
export function someJob(change: Partial<Record<keyof Job, unknown>> = {}): Job {
  return jobSchema.parse({
    id: JOB_ID,
    studio: 'default',
    project: 'default',
    name: 'shot',
    state: 'pending',
    policy: { priority: 50, maxRetriesPerTask: 3, maxFailedTasks: 100 },
    stepCount: 1,
    taskCounts: { waiting: 3, running: 0, succeeded: 0, failed: 0, canceled: 0 },
    outputs: { accepted: 0, published: 0 },
    createdAt: '2026-01-01T00:00:00.000Z',
    ...change,
  });
}

/**
 * A real HTTP server that speaks as much of the route table as the CLI's tests need, and storage with
 * it, so that a test can make either behave badly.
 */
export class FixtureServer {
  readonly requests: SeenRequest[] = [];
  readonly assets = new Map<string, Buffer>();
  readonly outputs = new Map<string, { output: Omit<OutputDownload, 'url'>; content: Buffer }>();
  job: Job = someJob();
  steps: Step[] = [];
  tasks: Task[] = [];
  /** Answers instead of the usual, by "METHOD /path" (without query). */
  readonly answers = new Map<string, Answer>();
  readonly #server: http.Server;
  readonly #watchers = new Set<http.ServerResponse>();
  #eventId = 0;
  #listings = 0;

  private constructor() {
    this.#server = http.createServer((request, response) => void this.#serve(request, response));
  }

  static async start(): Promise<FixtureServer> {
    const fixture = new FixtureServer();
    await new Promise<void>((resolve) => fixture.#server.listen(0, '127.0.0.1', resolve));
    onTestFinished(async () => {
      fixture.#server.closeAllConnections();
      await new Promise((resolve) => fixture.#server.close(resolve));
    });
    return fixture;
  }

  get url(): string {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('not listening');
    return `http://127.0.0.1:${address.port}`;
  }

  /** The environment that points a CLI here. */
  get env(): Record<string, string> {
    return { KARST_URL: this.url, KARST_API_KEY: KEY };
  }

  seen(method: string, path: string): SeenRequest[] {
    return this.requests.filter((r) => r.method === method && r.path.split('?')[0] === path);
  }

  /** Changes the job and tells those who watch. */
  moveJob(change: Partial<Record<keyof Job, unknown>>): void {
    this.job = someJob({ ...this.job, ...change });
    const { state, taskCounts, heldSteps } = this.job;
    this.emit({ type: 'job', jobId: this.job.id, state, taskCounts, heldSteps });
  }

  emit(event: { type: string; [field: string]: unknown }): void {
    this.#eventId += 1;
    const frame = `id: ${this.#eventId}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;
    for (const watcher of this.#watchers) watcher.write(frame);
  }

  breakWatchers(): void {
    for (const watcher of this.#watchers) watcher.destroy();
    this.#watchers.clear();
  }

  addOutput(treePath: string, content: Buffer | string, step = 'Render', task = 0): void {
    const bytes = Buffer.from(content);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    const output = { step, task, path: treePath, sha256, sizeBytes: bytes.length };
    this.outputs.set(`${step}/${task}/${treePath}`, { output, content: bytes });
  }

  failStep(step: string, task: number, message: string): void {
    const counts = { waiting: 0, running: 0, succeeded: 2, failed: 1, canceled: 0 };
    this.steps = [
      stepSchema.parse({
        index: 0,
        name: step,
        state: 'failed',
        dependsOn: [],
        taskCounts: counts,
      }),
    ];
    this.tasks = [
      taskSchema.parse({
        step,
        index: task,
        parameters: { Frame: '4' },
        state: 'failed',
        failures: 4,
        attempt: {
          epoch: 1,
          nodeId: 'node-0123456789abcdef0123',
          outcome: 'failed',
          failureKind: 'exit',
          message,
        },
        outputs: [],
      }),
    ];
  }

  async #serve(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of request) chunks.push(chunk);
    } catch {
      // The client broke off: there is nobody to answer.
      return;
    }
    const seen: SeenRequest = {
      method: request.method ?? '',
      path: request.url ?? '',
      headers: request.headers,
      body: Buffer.concat(chunks),
    };
    this.requests.push(seen);
    const [path = ''] = seen.path.split('?');
    const answer = this.answers.get(`${seen.method} ${path}`) ?? this.#usual(seen.method, path);
    if (answer === undefined) sendProblem(response, 'not_found');
    else await answer(seen, response);
  }

  #usual(method: string, path: string): Answer | undefined {
    const jobPath = `/v1/jobs/${JOB_ID}`;
    if (path.startsWith('/storage/')) return method === 'PUT' ? this.#put : this.#get;
    switch (`${method} ${path}`) {
      case 'POST /v1/assets/uploads':
        return this.#uploads;
      case 'GET /v1/storage':
        return (_, response) => sendJson(response, 200, EMPTY_STORAGE);
      case 'POST /v1/jobs':
        return (_, response) => sendJson(response, 201, this.job);
      case `GET ${jobPath}`:
        return (_, response) => sendJson(response, 200, this.job);
      case `GET ${jobPath}/steps`:
        return (_, response) => sendJson(response, 200, { items: this.steps });
      case `GET ${jobPath}/outputs`:
        return this.#listOutputs;
      case 'GET /v1/events':
        return this.#events;
      default:
        if (path.startsWith(`${jobPath}/steps/`) && path.endsWith('/tasks')) {
          return (_, response) => sendJson(response, 200, { items: this.tasks });
        }
        return undefined;
    }
  }

  readonly #uploads: Answer = (request, response) => {
    const { files } = assetUploadRequestSchema.parse(JSON.parse(request.body.toString()));
    const uploads = files.map(({ sha256 }) => ({
      sha256,
      upload: this.assets.has(sha256)
        ? null
        : { kind: 'single', url: `${this.url}/storage/${sha256}`, headers: { 'x-given': 'yes' } },
    }));
    sendJson(response, 200, { uploads });
  };

  readonly #put: Answer = (request, response) => {
    const sha256 = request.path.split('/').at(-1) ?? '';
    if (createHash('sha256').update(request.body).digest('hex') !== sha256) {
      sendS3Error(response, 400, 'BadDigest', 'The content does not match.');
      return;
    }
    this.assets.set(sha256, request.body);
    response.writeHead(200, { etag: '"1"' }).end();
  };

  readonly #get: Answer = (request, response) => {
    const [path = ''] = request.path.split('?');
    const found = this.outputs.get(decodeURIComponent(path.slice('/storage/'.length)));
    if (found === undefined) sendS3Error(response, 404, 'NoSuchKey', '');
    else sendContent(request, response, found.content);
  };

  /** Pages of two, so that paging is always part of it. */
  readonly #listOutputs: Answer = (request, response) => {
    const query = new URL(request.path, this.url).searchParams;
    const from = Number(query.get('cursor') ?? 0);
    const step = query.get('step');
    const firstTask = Number(query.get('firstTask') ?? 0);
    const lastTask = Number(query.get('lastTask') ?? Number.MAX_SAFE_INTEGER);
    this.#listings++;
    const all = [...this.outputs]
      .map(([key, { output }]) => ({
        ...output,
        // Another link each time, as a signature is.
        url: `${this.url}/storage/${encodeURIComponent(key)}?listing=${this.#listings}`,
      }))
      .filter((output) => step === null || output.step === step)
      .filter((output) => output.task >= firstTask && output.task <= lastTask);
    const nextCursor = from + 2 < all.length ? String(from + 2) : undefined;
    sendJson(response, 200, { items: all.slice(from, from + 2), nextCursor });
  };

  readonly #events: Answer = (_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(': hello\n\n');
    this.#watchers.add(response);
  };
}

/** The whole, or the range that was asked for, as S3 does. */
export function sendContent(
  request: Pick<SeenRequest, 'headers'>,
  response: http.ServerResponse,
  content: Buffer,
): void {
  const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? [];
  if (first === undefined) {
    response.writeHead(200, { 'content-length': content.length }).end(content);
    return;
  }
  const end = last ? Math.min(Number(last), content.length - 1) : content.length - 1;
  response
    .writeHead(206, { 'content-range': `bytes ${first}-${end}/${content.length}` })
    .end(content.subarray(Number(first), end + 1));
}

export function sendJson(response: http.ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

export function sendProblem(
  response: http.ServerResponse,
  code: ProblemCode,
  more: Record<string, unknown> = {},
): void {
  const { status, title, retryable } = problemCatalogue[code];
  const problem = { type: `/problems/${code}`, title, status, code, retryable, ...more };
  response
    .writeHead(status, { 'content-type': 'application/problem+json' })
    .end(JSON.stringify(problem));
}

export function sendS3Error(
  response: http.ServerResponse,
  status: number,
  code: string,
  message: string,
): void {
  response
    .writeHead(status, { 'content-type': 'application/xml' })
    .end(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>${message}</Message></Error>`);
}
