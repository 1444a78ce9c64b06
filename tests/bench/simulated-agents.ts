import { generateKeyPairSync, type KeyObject, randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { ApiClient } from '@karst/cli/api/client.ts';
import type { Grant } from '@karst/shared/protocol/lease.ts';
import {
  NODE_TOKEN_AUDIENCE,
  publicKeySchema,
  type SyncRequestInput,
} from '@karst/shared/protocol/node.ts';
import { routes } from '@karst/shared/protocol/routes.ts';
import { systemRandom } from '@karst/shared/random.ts';
import { SignJWT } from 'jose';
import { inLanes } from './in-lanes.ts';
import { LeanConnection } from './lean-http.ts';

export interface AgentLoad {
  /** Of every replica: agents are spread over them. */
  urls: string[];
  adminKey: string;
  agents: number;
  slots: number;
  /** Runs what was granted; default: a bare success of all of it, in no time. */
  work?: (grant: Grant) => Promise<LeaseReportInput['results']>;
}

export type LeaseReportInput = NonNullable<SyncRequestInput['reports']>[number];

export interface LoadResult {
  tasks: number;
  syncs: number;
  seconds: number;
  grantMs: number[];
}

interface SimulatedAgent {
  nodeId: string;
  token: string;
  connection: LeanConnection;
  /** Told with the first call. */
  inventory: SyncRequestInput['inventory'];
  bootId: string;
  bootedAtMs: number;
  seq: number;
  held: Grant[];
}

async function nodeToken(nodeId: string, key: KeyObject): Promise<string> {
  return await new SignJWT({})
    .setProtectedHeader({ alg: 'EdDSA' })
    .setSubject(nodeId)
    .setAudience(NODE_TOKEN_AUDIENCE)
    .setIssuedAt()
    .setExpirationTime('10m')
    .sign(key);
}

async function bareSuccess({ first, last }: Grant): Promise<LeaseReportInput['results']> {
  const nowMs = performance.timeOrigin + performance.now();
  return [{ outcome: 'succeeded', first, last, startedAtMs: nowMs, endedAtMs: nowMs }];
}

/** More than any shape of the bench asks for on every slot: slots are what runs out. */
const bigMachine = (hostname: string): SyncRequestInput['inventory'] => ({
  hostname,
  os: 'linux',
  arch: 'x86_64',
  cpuModel: 'simulated',
  cpuCount: 128,
  memoryMib: 1_048_576,
  scratchMib: 1_048_576,
  gpus: Array.from({ length: 8 }, (_, index) => ({
    vendor: 'nvidia' as const,
    model: 'simulated',
    index,
    memoryMib: 81_920,
  })),
  agentVersion: 'bench',
});

async function enrolled(load: AgentLoad, i: number): Promise<SimulatedAgent> {
  const url = new URL(load.urls[i % load.urls.length] ?? '');
  const client = (key: string) => new ApiClient({ url, key, random: systemRandom });
  const { token } = await client(load.adminKey).call(routes.createEnrollmentToken, { body: {} });
  const pair = generateKeyPairSync('ed25519');
  const { nodeId } = await client(token).call(routes.enrollNode, {
    body: {
      name: `simulated-${i}`,
      publicKey: publicKeySchema.parse(pair.publicKey.export({ format: 'jwk' })),
    },
  });
  return {
    nodeId,
    token: await nodeToken(nodeId, pair.privateKey),
    connection: new LeanConnection(url),
    inventory: bigMachine(`simulated-${i}`),
    bootId: randomUUID(),
    bootedAtMs: performance.timeOrigin,
    seq: 0,
    held: [],
  };
}

/** Nodes that speak the real protocol over real HTTP and whose tasks take no time. */
export class SimulatedAgents {
  private readonly agents: SimulatedAgent[];
  private readonly slots: number;
  private readonly work: (grant: Grant) => Promise<LeaseReportInput['results']>;

  private constructor(agents: SimulatedAgent[], { slots, work = bareSuccess }: AgentLoad) {
    this.agents = agents;
    this.slots = slots;
    this.work = work;
  }

  static async enroll(load: AgentLoad): Promise<SimulatedAgents> {
    const numbers = Array.from({ length: load.agents }, (_, i) => i);
    const agents = await inLanes(numbers, (i) => enrolled(load, i));
    return new SimulatedAgents(agents, load);
  }

  /** Every agent asks, runs (in no time) and reports for `seconds`, after `warmSeconds` uncounted. */
  async run(warmSeconds: number, seconds: number): Promise<LoadResult> {
    const startMs = performance.now() + warmSeconds * 1000;
    const endMs = startMs + seconds * 1000;
    const result: LoadResult = { tasks: 0, syncs: 0, seconds, grantMs: [] };
    await Promise.all(this.agents.map((agent) => this.loop(agent, startMs, endMs, result)));
    return result;
  }

  /** Every agent asks, runs and reports until `isOver`, which is asked after each answer. */
  async runUntil(isOver: () => boolean): Promise<void> {
    await Promise.all(
      this.agents.map(async (agent) => {
        while (!isOver()) agent.held = (await this.sync(agent, agent.held)).grants;
      }),
    );
  }

  /**
   * Every agent waits for work, `waitMs` a call, and runs what it gets, until `isOver`. Their first calls
   * are spread over one such time, as those of agents that came at different times are.
   */
  async idle(
    waitMs: number,
    granted: (grants: Grant[]) => void,
    isOver: () => boolean,
  ): Promise<void> {
    await Promise.all(
      this.agents.map(async (agent, i) => {
        await pause((waitMs * i) / this.agents.length);
        while (!isOver()) {
          const { grants } = await this.sync(agent, agent.held, waitMs);
          agent.held = grants;
          if (grants.length > 0) granted(grants);
        }
      }),
    );
  }

  /** One call of every agent, by which the farm knows what it is; nothing is waited for. */
  async introduce(): Promise<void> {
    for (const agent of this.agents) await this.sync(agent, [], 0);
  }

  close(): void {
    for (const agent of this.agents) agent.connection.close();
  }

  private async loop(
    agent: SimulatedAgent,
    startMs: number,
    endMs: number,
    result: LoadResult,
  ): Promise<void> {
    while (performance.now() < endMs) {
      const done = agent.held;
      const sentMs = performance.now();
      const answer = await this.sync(agent, done);
      const nowMs = performance.now();
      agent.held = answer.grants;
      if (nowMs < startMs || nowMs > endMs) continue;
      result.syncs += 1;
      for (const report of answer.reports) {
        if (report.status !== 'accepted') throw new Error(`a report was ${report.status}`);
      }
      for (const { first, last } of done) result.tasks += last - first + 1;
      if (answer.grants.length > 0) result.grantMs.push(nowMs - sentMs);
    }
  }

  private async sync(
    agent: SimulatedAgent,
    done: Grant[],
    waitMs = 1000,
  ): Promise<{ grants: Grant[]; reports: { status: string }[] }> {
    agent.seq += 1;
    const reports = await Promise.all(
      done.map(async (grant) => {
        const { leaseId, jobId, step, spanId, epoch } = grant;
        return { leaseId, jobId, step, spanId, epoch, results: await this.work(grant) };
      }),
    );
    const request: SyncRequestInput = {
      bootId: agent.bootId,
      bootedAtMs: agent.bootedAtMs,
      seq: agent.seq,
      ...(agent.seq === 1 ? { inventory: agent.inventory } : {}),
      slots: this.slots,
      wanted: this.slots,
      held: done.map((grant) => grant.leaseId),
      reports,
      waitMs,
    };
    const path = `/v1/nodes/${agent.nodeId}/sync`;
    return JSON.parse(await agent.connection.post(path, agent.token, JSON.stringify(request)));
  }
}
