import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ApiClient } from '@karst/cli/api/client.ts';
import { type JobId, type NodeId, nodeIdSchema } from '@karst/shared/protocol/ids.ts';
import type { Job, JobState, SubmissionInput } from '@karst/shared/protocol/job.ts';
import { routes } from '@karst/shared/protocol/routes.ts';
import { systemRandom } from '@karst/shared/random.ts';
import { Child } from './child.ts';
import { eventually } from './eventually.ts';
import { freePort, startRedis, type TestRedis } from './redis.ts';
import { startObjectStorage, type TestStorage } from './storage.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const file = (path: string) => join(root, path);

export interface FarmOptions {
  /** How long a silent node keeps its leases, ms. */
  livenessMs?: number;
  replicas?: number;
  /** Further settings of the orchestrator. */
  env?: Record<string, string>;
  /** Another store than the local endpoint. */
  storage?: () => Promise<TestStorage>;
}

export interface AgentOptions {
  slots?: number;
  env?: Record<string, string>;
  /** Of a former agent: the node goes on under its key. */
  dir?: string;
  /** Which replica it speaks to. */
  replica?: number;
}

export interface FarmAgent {
  child: Child;
  nodeId: NodeId;
  dir: string;
}

/** A whole farm of real processes, private to a test. */
export class Farm {
  readonly dir: string;
  readonly redis: TestRedis;
  readonly storage: TestStorage;
  readonly replicas: Child[] = [];
  readonly agents: FarmAgent[] = [];
  readonly previews: Child[] = [];
  readonly urls: string[] = [];
  private readonly options: FarmOptions;
  private adminKey = '';

  private constructor(dir: string, redis: TestRedis, storage: TestStorage, options: FarmOptions) {
    this.dir = dir;
    this.redis = redis;
    this.storage = storage;
    this.options = options;
  }

  static async start(options: FarmOptions = {}): Promise<Farm> {
    const dir = await mkdtemp(join(tmpdir(), 'karst-farm-'));
    const [redis, storage] = await Promise.all([
      startRedis(),
      (options.storage ?? startObjectStorage)(),
    ]);
    const farm = new Farm(dir, redis, storage, options);
    for (let i = 0; i < (options.replicas ?? 1); i++) {
      farm.urls.push(`http://127.0.0.1:${await freePort()}`);
      await farm.startReplica(i);
    }
    if (farm.replicas.length > 0) {
      farm.adminKey = (await readFile(join(dir, 'admin.key'), 'utf8')).trim();
    }
    return farm;
  }

  /** The API as the holder of a key sees it; default: the admin of studio `default`. */
  api(replica = 0, key = this.adminKey): ApiClient {
    return new ApiClient({ url: new URL(this.urls[replica] ?? ''), key, random: systemRandom });
  }

  /** A plain request, for what the typed client can't say. */
  fetch(method: string, path: string, body?: unknown, key = this.adminKey): Promise<Response> {
    return fetch(`${this.urls[0]}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${key}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      body: body === undefined ? null : JSON.stringify(body),
    });
  }

  /** Submits a template given as text. */
  submit(template: string, body: Omit<SubmissionInput, 'template'> = {}): Promise<Job> {
    return this.api().call(routes.submitJob, { body: { template, ...body } });
  }

  async startReplica(index: number): Promise<void> {
    const url = new URL(this.urls[index] ?? '');
    const child = new Child('orchestrator', process.execPath, [file('orchestrator/main.ts')], {
      ...this.stateEnv(),
      KARST_PORT: url.port,
      KARST_ADMIN_KEY_FILE: join(this.dir, 'admin.key'),
      KARST_NODE_LIVENESS_MS: String(this.options.livenessMs ?? 10_000),
      KARST_RECONCILE_MS: '500',
      ...this.options.env,
    });
    this.replicas[index] = child;
    await child.event('listening');
  }

  private stateEnv(): Record<string, string | undefined> {
    return {
      PATH: process.env.PATH,
      REDIS_URL: this.redis.url,
      KARST_S3_ENDPOINT: this.storage.endpoint,
      KARST_S3_BUCKET: this.storage.bucket,
      KARST_S3_ACCESS_KEY: this.storage.accessKeyId,
      KARST_S3_SECRET_KEY: this.storage.secretAccessKey,
    };
  }

  /** A preview worker; stopped with the farm. */
  async startPreviews(env: Record<string, string> = {}): Promise<Child> {
    const script = file('orchestrator/previews-main.ts');
    const child = new Child('previews', process.execPath, [script], {
      ...this.stateEnv(),
      TMPDIR: this.dir,
      ...env,
    });
    this.previews.push(child);
    await child.event('ready');
    return child;
  }

  async startAgent(options: AgentOptions = {}): Promise<FarmAgent> {
    const dir = options.dir ?? (await mkdtemp(join(this.dir, 'agent-')));
    const { token } = await this.api().call(routes.createEnrollmentToken, { body: {} });
    const child = new Child('agent', process.execPath, [file('worker-agent/main.ts')], {
      PATH: process.env.PATH,
      KARST_URL: this.urls[options.replica ?? 0],
      KARST_AGENT_DIR: dir,
      KARST_ENROLLMENT_TOKEN: token,
      KARST_SLOTS: String(options.slots ?? 1),
      KARST_SOFTWARE_SEARCH: '0',
      KARST_NODE_NAME: `node-${this.agents.length}`,
      ...options.env,
    });
    const ready = await child.event('ready');
    const agent = { child, nodeId: nodeIdSchema.parse(ready.nodeId), dir };
    this.agents.push(agent);
    return agent;
  }

  /** Waits until a job is in one of `states`. */
  async jobIn(jobId: JobId, states: readonly JobState[], withinMs = 60_000) {
    return await eventually(
      `job ${jobId} in ${states.join(' or ')}`,
      async () => {
        const job = await this.readJob(jobId);
        return states.includes(job.state) ? job : undefined;
      },
      withinMs,
    );
  }

  readJob(jobId: JobId): Promise<Job> {
    return this.api().call(routes.getJob, { params: { jobId } });
  }

  async stop(): Promise<void> {
    await Promise.all(this.agents.map(({ child }) => child.kill()));
    await Promise.all([...this.replicas, ...this.previews].map((child) => child.kill()));
    await Promise.all([this.redis.stop(), this.storage.stop()]);
    await rm(this.dir, { recursive: true, force: true });
  }

  /** What every process said, for a failed test. */
  logs(): string {
    return [...this.replicas, ...this.previews, ...this.agents.map((agent) => agent.child)]
      .map((child) => `--- ${child.name} ${child.pid}\n${child.stderr.slice(-20_000)}`)
      .join('\n');
  }
}
