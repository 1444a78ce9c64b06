import { userInfo } from 'node:os';
import type { Clock } from '@karst/shared/clock.ts';
import type { NodeId } from '@karst/shared/protocol/ids.ts';
import type { Random } from '@karst/shared/random.ts';
import type { Logger } from 'pino';
import { Agent } from './agent.ts';
import type { AgentEvents, AgentParts } from './agent-parts.ts';
import type { AgentConfig } from './config.ts';
import { Definitions } from './definitions.ts';
import { DiskGuard } from './hardware/disk-guard.ts';
import { IdleGuard } from './hardware/idle-guard.ts';
import { takeInventory } from './hardware/inventory.ts';
import { Connections } from './http/exchange.ts';
import { OrchestratorClient } from './http/orchestrator-client.ts';
import { enrolledNodeId } from './identity/enroll.ts';
import { loadOrCreateNodeKey } from './identity/node-key.ts';
import { NodeToken } from './identity/node-token.ts';
import { ServerClock } from './identity/server-clock.ts';
import type { StateDirectory } from './identity/state-directory.ts';
import { AssetCache } from './inputs/asset-cache.ts';
import { FilePlacer } from './inputs/placing.ts';
import { Prefetcher } from './inputs/prefetcher.ts';
import { WarmJobs } from './inputs/warm-jobs.ts';
import { Leftovers } from './process/leftovers.ts';
import { TaskSpawner } from './process/task-spawner.ts';
import { FailureJudge } from './session/failure.ts';
import { LiveTails } from './session/live-tails.ts';
import { SessionPool } from './session/session-pool.ts';
import { addressTowards, GangBoard } from './sync/gang-board.ts';
import { LeaseKeeper } from './sync/lease-keeper.ts';

const agentVersion = '0.1.0';

export interface StartOptions {
  config: AgentConfig;
  directory: StateDirectory;
  logger: Logger;
  clock: Clock;
  random: Random;
  /** Aborts a start that still waits for the orchestrator. */
  signal: AbortSignal;
  onReady: (nodeId: NodeId) => void;
}

export interface StartedAgent {
  agent: Agent;
  /** Writes down what the cache holds and drops kept connections, so that the process can end. */
  close(): Promise<void>;
}

/** Puts an agent together: clean directory, identity, inventory. */
export async function startAgent(options: StartOptions): Promise<StartedAgent> {
  const { config, directory, logger, clock, random, signal } = options;
  const leftovers = new Leftovers(directory.path);
  const orphans = await leftovers.sweep();
  if (orphans > 0) logger.warn({ orphans }, 'killed processes a former agent left');
  await directory.clear();
  const connections = new Connections();
  const serverClock = new ServerClock(clock);
  const client = new OrchestratorClient(config.url, connections, serverClock);
  const key = await loadOrCreateNodeKey(directory.path);
  const who = { random, logger, signal };
  const nodeId = await enrolledNodeId(config, directory.path, key, client, who);
  client.actAs(nodeId, new NodeToken(nodeId, key.privateKey, serverClock));
  const cacheParts = { connections, random, clock, logger };
  const cache = new AssetCache(directory.cacheDir, config.cacheBytesMax, cacheParts);
  await cache.open();
  const warm = new WarmJobs(config.cacheBytesMax);
  const disk = new DiskGuard(directory.path, config.diskFreeMibMin, clock);
  await disk.isFull();
  const idle = config.idleOnly === undefined ? undefined : new IdleGuard(config.idleOnly, clock);
  const { devices, told, taskPath } = config;
  const scratchDir = directory.path;
  const machine = {
    scratchDir,
    agentVersion,
    devices,
    told,
    ...(config.softwareSearch ? { softwarePath: taskPath } : {}),
  };
  const [inventory] = await Promise.all([takeInventory(machine), idle?.look()]);
  const makeParts = (events: AgentEvents): AgentParts => ({
    client,
    connections,
    definitions: new Definitions(client, random),
    cache,
    placer: new FilePlacer(config.linkInputs),
    warm,
    prefetcher: new Prefetcher({ client, cache, warm, random, clock, logger }),
    disk,
    ...(idle === undefined ? {} : { idle }),
    leftovers,
    spawner: new TaskSpawner(directory.path, clock),
    tails: new LiveTails(
      {
        progressed: events.progressed,
        sendText: async (leaseId, task, text) => {
          const sent = await client.appendLog(leaseId, task, text);
          if (!sent.ok) logger.debug({ error: sent.error }, 'live log not sent');
        },
      },
      clock,
    ),
    judge: new FailureJudge(disk),
    keeper: new LeaseKeeper(clock, events.livenessPassed),
    gangs: new GangBoard(
      async () => config.address ?? (await addressTowards(config.url)),
      events.news,
    ),
    host: {
      path: taskPath,
      user: userInfo().username,
      agentDir: directory.path,
      devices,
    },
    gpus: inventory.gpus,
    sessions: new SessionPool({ slots: config.slots, idleMs: config.sessionIdleMs, clock, logger }),
    sessionsDir: directory.sessionsDir,
    clock,
    random,
    logger,
  });
  const boot = { bootId: random.uuid(), bootedAtMs: await directory.orderBoot(clock.nowMs()) };
  const { slots } = config;
  const { logsDir } = directory;
  const onReady = () => options.onReady(nodeId);
  const agent = new Agent({ slots, inventory, boot, logsDir, onReady }, makeParts);
  const close = async () => {
    await cache.close();
    connections.close();
  };
  return { agent, close };
}
