import {
  type JobId,
  jobIdSchema,
  type LeaseId,
  leaseIdSchema,
  type NodeId,
  nodeIdSchema,
} from '@karst/shared/protocol/ids.ts';
import { type Resources, resourcesSchema } from '@karst/shared/protocol/lease.ts';
import {
  type Inventory,
  inventorySchema,
  type Node,
  type NodeState,
} from '@karst/shared/protocol/node.ts';
import type { NodeSettings, NodeSettingsChange } from '@karst/shared/protocol/node-settings.ts';
import { z } from 'zod';
import { standing } from '../domain/node-health.ts';
import { type Drain, type NodeHold, nodeHold, quarantineHold } from '../domain/node-hold.ts';
import type { Redis } from './connection.ts';
import { parseHealth, quarantineOf } from './health-store.ts';
import { keys, type LeaseRef } from './keys.ts';
import { changeDrain, changeSettings, readDrain, readSettings } from './node-settings.ts';
import { type Preempt, parsePreempts } from './preempt-record.ts';
import { asArray, asInteger, asText, inPairs } from './reply.ts';
import { loadScript } from './script.ts';

const syncNodeScript = loadScript('sync_node');
const claimLeasesScript = loadScript('claim_leases');

export interface NodeCall {
  nodeId: NodeId;
  bootId: string;
  bootedAtMs: number;
  seq: number;
  slots: number;
  message: string;
  /** JSON, '' when unchanged. */
  inventory: string;
  held: readonly LeaseId[];
}

/** A lease on a node's list. The epoch is known only once the span is granted. */
export interface ListedLease {
  leaseId: LeaseId;
  jobId: JobId;
  step: number;
  spanId: number;
  /** What it reserves beside its slot. */
  resources?: Resources | undefined;
}

export type NodeAnswer =
  | { status: 'unknown' }
  | { status: 'superseded' }
  | { status: 'stale' }
  | {
      status: 'ok' | 'boot';
      drain: Drain;
      settings: Pick<NodeSettings, 'schedule' | 'stop'>;
      /** Counts changes of the node's inventory and settings. */
      revision: number;
      /** What is kept of its failures, see health-store.ts; '' for most nodes. */
      health: string;
      /** What the leases on its list reserve, those that reserve anything. */
      used: Resources[];
      /** Room being made on the node, or kept. */
      preempts: Preempt[];
      /** Held by the agent, not ours. */
      lost: LeaseId[];
      /** Ours, not held by the agent. */
      unheld: ListedLease[];
    };

const packLease = ({ jobId, step, spanId, resources }: ListedLease) =>
  `${jobId} ${step} ${spanId}${resources === undefined ? '' : ` ${JSON.stringify(resources)}`}`;

const LISTED = /^(\S+) (\S+) (\S+)(?: (.+))?$/;

const parseResources = (text: string): Resources => resourcesSchema.parse(JSON.parse(text));

function unpackLease(leaseId: string, text: string): ListedLease {
  const [, jobId, step, spanId, resources] = LISTED.exec(text) ?? [];
  return {
    ...(resources === undefined ? {} : { resources: parseResources(resources) }),
    leaseId: leaseIdSchema.parse(leaseId),
    jobId: jobIdSchema.parse(jobId),
    step: asInteger(step),
    spanId: asInteger(spanId),
  };
}

const refusalSchema = z.enum(['', 'stale', 'slots', 'resources']);

export interface NodeDescription {
  name: string;
  inventory: Inventory;
  settings: NodeSettings;
}

/** A node as the decision about preemption sees it. */
export interface NodeStanding extends NodeDescription {
  nodeId: NodeId;
  slots: number;
  /** Online, sound, not held back, and not saying that it can't. */
  takesWork: boolean;
  /** When it called last, by our clock, and when its agent started, by its own. */
  syncedAtMs: number;
  bootedAtMs: number;
  leases: ListedLease[];
  preempts: Preempt[];
}

/** Nodes: liveness, what they are, which leases stand on their list. */
export class NodeStore {
  private readonly redis: Redis;

  constructor(redis: Redis) {
    this.redis = redis;
  }

  async sync(call: NodeCall, nowMs: number, deadlineMs: number): Promise<NodeAnswer> {
    const reply = asArray(
      await syncNodeScript.run(
        this.redis,
        { node_key: keys.node(call.nodeId), leases_key: keys.nodeLeases(call.nodeId) },
        {
          boot_id: call.bootId,
          booted_at: call.bootedAtMs,
          seq: call.seq,
          now_ms: nowMs,
          deadline_ms: deadlineMs,
          slots: call.slots,
          message: call.message,
          inventory: call.inventory,
        },
        call.held,
      ),
    );
    const status = asText(reply[0]);
    if (status === 'unknown' || status === 'superseded' || status === 'stale') return { status };
    if (status !== 'ok' && status !== 'boot') {
      throw new TypeError(`redis: sync_node answered "${status}"`);
    }
    const [drain, drain_now, schedule, stop] = reply.slice(1, 5).map(asText);
    const lostStart = 10;
    const lostEnd = lostStart + asInteger(reply[6]);
    const usedEnd = lostEnd + asInteger(reply[7]);
    return {
      status,
      drain: readDrain({ drain, drain_now }),
      settings: readSettings({ schedule, stop }),
      lost: reply.slice(lostStart, lostEnd).map((id) => leaseIdSchema.parse(id)),
      revision: asInteger(reply[5]),
      health: asText(reply[8]),
      used: reply.slice(lostEnd, usedEnd).map((text) => parseResources(asText(text))),
      preempts: parsePreempts(asText(reply[9])),
      unheld: inPairs(reply.slice(usedEnd)).map(([id, text]) => unpackLease(id, text)),
    };
  }

  /**
   * Lists leases on the node before they are granted; answers how many, from the first, and why no
   * more: a newer call came, its slots are taken, or what they reserve is.
   */
  async claim(
    nodeId: NodeId,
    bootId: string,
    seq: number,
    leases: readonly ListedLease[],
  ): Promise<{ claimed: number; refused: '' | 'stale' | 'slots' | 'resources' }> {
    const [claimed, refused] = asArray(
      await claimLeasesScript.run(
        this.redis,
        { node_key: keys.node(nodeId), leases_key: keys.nodeLeases(nodeId) },
        { boot_id: bootId, seq },
        leases.flatMap((lease) => [lease.leaseId, packLease(lease)]),
      ),
    );
    return { claimed: asInteger(claimed), refused: refusalSchema.parse(refused) };
  }

  /** What the node is, for matching; undefined before its first sync. */
  async description(nodeId: NodeId): Promise<NodeDescription | undefined> {
    const [name, inventory, pool, tags, gpu_hour_price, core_hour_price] = await this.redis.hmget(
      keys.node(nodeId),
      'name',
      'inventory',
      'pool',
      'tags',
      'gpu_hour_price',
      'core_hour_price',
    );
    if (!name || !inventory) return undefined;
    const settings = readSettings({
      ...(pool ? { pool } : {}),
      ...(tags ? { tags } : {}),
      ...(gpu_hour_price ? { gpu_hour_price } : {}),
      ...(core_hour_price ? { core_hour_price } : {}),
    });
    return { name, inventory: inventorySchema.parse(JSON.parse(inventory)), settings };
  }

  async release(nodeId: NodeId, leaseIds: readonly LeaseId[]): Promise<void> {
    if (leaseIds.length > 0) await this.redis.hdel(keys.nodeLeases(nodeId), ...leaseIds);
  }

  /** What decides whether it takes work, and what it runs; undefined: no such node, or not seen yet. */
  async standing(nodeId: NodeId, nowMs: number): Promise<NodeStanding | undefined> {
    const [hash, leases] = await Promise.all([
      this.redis.hgetall(keys.node(nodeId)),
      this.leases(nodeId),
    ]);
    if (hash.name === undefined || !hash.inventory) return undefined;
    const settings = readSettings(hash);
    const isOnline = Number(hash.deadline ?? 0) >= nowMs;
    const hold = nodeHold(readDrain(hash), settings, nowMs);
    // On probation it gets one lease at a time, whatever room it has.
    const isSound = standing(parseHealth(hash.health ?? ''), nowMs) === 'sound';
    return {
      nodeId,
      name: hash.name,
      inventory: inventorySchema.parse(JSON.parse(hash.inventory)),
      settings,
      slots: Number(hash.slots ?? 0),
      takesWork: isOnline && isSound && hold === undefined && !hash.message,
      syncedAtMs: Number(hash.synced_at ?? 0),
      bootedAtMs: Number(hash.booted_at ?? 0),
      leases,
      preempts: parsePreempts(hash.preempts ?? ''),
    };
  }

  /** Nodes on the expiry clock: every one that is online, and some that are no longer. */
  async onClock(): Promise<NodeId[]> {
    const ids = await this.redis.zrange(keys.nodeDeadlines(), '0', '-1');
    return ids.map((id) => nodeIdSchema.parse(id));
  }

  /** What the leases on its list reserve, those that reserve anything. */
  async used(nodeId: NodeId): Promise<Resources[]> {
    const leases = await this.leases(nodeId);
    return leases.flatMap(({ resources }) => (resources === undefined ? [] : [resources]));
  }

  async lease(nodeId: NodeId, leaseId: LeaseId): Promise<ListedLease | undefined> {
    const text = await this.redis.hget(keys.nodeLeases(nodeId), leaseId);
    return text === null ? undefined : unpackLease(leaseId, text);
  }

  async leases(nodeId: NodeId): Promise<ListedLease[]> {
    const table = await this.redis.hgetall(keys.nodeLeases(nodeId));
    return Object.entries(table).map(([leaseId, text]) => unpackLease(leaseId, text));
  }

  /** Puts nodes on the clock of the expiry pass; the deadline in a node's own record is the truth. */
  async scheduleExpiry(deadlinesMs: ReadonlyMap<NodeId, number>): Promise<void> {
    const words = [...deadlinesMs].flatMap(([nodeId, deadlineMs]) => [deadlineMs, nodeId]);
    await this.redis.zadd(keys.nodeDeadlines(), ...words);
  }

  async stopExpiry(nodeId: NodeId): Promise<void> {
    await this.redis.zrem(keys.nodeDeadlines(), nodeId);
  }

  /** Nodes whose listed deadline passed; their own record may say later. */
  async overdue(nowMs: number): Promise<NodeId[]> {
    const ids = await this.redis.zrangebyscore(keys.nodeDeadlines(), 0, nowMs);
    return ids.map((id) => nodeIdSchema.parse(id));
  }

  async deadlineMs(nodeId: NodeId): Promise<number> {
    const text = await this.redis.hget(keys.node(nodeId), 'deadline');
    return text === null ? 0 : asInteger(text);
  }

  /** False: there is no such node. */
  setDrain(nodeId: NodeId, drain: Drain): Promise<boolean> {
    return changeDrain(this.redis, nodeId, drain);
  }

  /** False: there is no such node. */
  setSettings(nodeId: NodeId, change: NodeSettingsChange): Promise<boolean> {
    return changeSettings(this.redis, nodeId, change);
  }

  async read(nodeId: NodeId, nowMs: number): Promise<Node | undefined> {
    const hash = await this.redis.hgetall(keys.node(nodeId));
    if (hash.name === undefined) return undefined;
    const leaseCount = await this.redis.hlen(keys.nodeLeases(nodeId));
    const settings = readSettings(hash);
    const health = parseHealth(hash.health ?? '');
    const hold = nodeHold(readDrain(hash), settings, nowMs) ?? quarantineHold(health, nowMs);
    const quarantined = quarantineOf(health, nowMs);
    return {
      id: nodeId,
      name: hash.name,
      state: nodeState(hash, hold, nowMs),
      drainReason: hold?.reason,
      ...(quarantined === undefined ? {} : { quarantined }),
      ...settings,
      slots: Number(hash.slots ?? 0),
      leaseCount,
      inventory: hash.inventory ? inventorySchema.parse(JSON.parse(hash.inventory)) : undefined,
      message: hash.message ? hash.message : undefined,
      preempting: hash.preempts ? preemptingOf(parsePreempts(hash.preempts)) : undefined,
      enrolledAt: new Date(Number(hash.enrolledAtMs ?? 0)).toISOString(),
      lastSyncAt: hash.synced_at ? new Date(Number(hash.synced_at)).toISOString() : undefined,
    };
  }

  /** Room being made on the node, or kept. */
  async preempts(nodeId: NodeId): Promise<Preempt[]> {
    return parsePreempts((await this.redis.hget(keys.node(nodeId), 'preempts')) ?? '');
  }

  /** How many enrolled nodes each pool has. Cost O(nodes). */
  async countByPool(): Promise<Map<string, number>> {
    const ids = await this.redis.smembers(keys.nodes());
    const pools = await Promise.all(
      ids.map((id) => this.redis.hget(keys.node(nodeIdSchema.parse(id)), 'pool')),
    );
    const counts = new Map<string, number>();
    for (const pool of pools) {
      const { pool: name } = readSettings(pool === null ? {} : { pool });
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    return counts;
  }

  async list(nowMs: number): Promise<Node[]> {
    const ids = (await this.redis.smembers(keys.nodes())).sort();
    const nodes = await Promise.all(ids.map((id) => this.read(nodeIdSchema.parse(id), nowMs)));
    return nodes.filter((node) => node !== undefined);
  }
}

function nodeState(
  hash: Record<string, string>,
  hold: NodeHold | undefined,
  nowMs: number,
): NodeState {
  if (Number(hash.deadline ?? 0) < nowMs) return 'offline';
  if (hold === undefined) return 'online';
  return hold.quarantined ? 'quarantined' : 'draining';
}

const preemptingOf = (preempts: readonly Preempt[]): Node['preempting'] =>
  preempts.map(({ jobId, step, victims, keptUntilMs }) => ({
    jobId,
    step,
    leases: victims.map(({ leaseId }) => leaseId),
    keptUntil: new Date(keptUntilMs).toISOString(),
  }));

/** The lease a report speaks of, as the store addresses it. */
export const leaseRef = (lease: ListedLease, epoch: number): LeaseRef => ({ ...lease, epoch });
