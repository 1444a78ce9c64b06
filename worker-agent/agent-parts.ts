import type { Clock } from '@karst/shared/clock.ts';
import type { LeaseId } from '@karst/shared/protocol/ids.ts';
import type { Gpu } from '@karst/shared/protocol/inventory.ts';
import type { Random } from '@karst/shared/random.ts';
import type { Logger } from 'pino';
import type { Definitions } from './definitions.ts';
import type { DiskGuard } from './hardware/disk-guard.ts';
import type { IdleGuard } from './hardware/idle-guard.ts';
import type { Connections } from './http/exchange.ts';
import type { OrchestratorClient } from './http/orchestrator-client.ts';
import type { AssetCache } from './inputs/asset-cache.ts';
import type { FilePlacer } from './inputs/placing.ts';
import type { Prefetcher } from './inputs/prefetcher.ts';
import type { WarmJobs } from './inputs/warm-jobs.ts';
import type { Leftovers } from './process/leftovers.ts';
import type { TaskSpawner } from './process/task-spawner.ts';
import type { FailureJudge } from './session/failure.ts';
import type { LiveTails } from './session/live-tails.ts';
import type { SessionPool } from './session/session-pool.ts';
import type { HostEnvironment } from './session/task-environment.ts';
import type { TaskProgress } from './session/task-output.ts';
import type { GangBoard } from './sync/gang-board.ts';
import type { LeaseKeeper } from './sync/lease-keeper.ts';

/** What the leases of one agent share. */
export interface AgentParts {
  client: OrchestratorClient;
  connections: Connections;
  definitions: Definitions;
  cache: AssetCache;
  placer: FilePlacer;
  warm: WarmJobs;
  prefetcher: Prefetcher;
  disk: DiskGuard;
  /** Of a node that works only while nobody uses the machine. */
  idle?: IdleGuard;
  leftovers: Leftovers;
  spawner: TaskSpawner;
  tails: LiveTails;
  judge: FailureJudge;
  keeper: LeaseKeeper;
  gangs: GangBoard;
  host: HostEnvironment;
  /** Of the inventory: grants name them by their places in it. */
  gpus: readonly Gpu[];
  sessions: SessionPool;
  sessionsDir: string;
  clock: Clock;
  random: Random;
  logger: Logger;
}

/** What the agent must hear of from its parts. */
export interface AgentEvents {
  /** There is something to tell. */
  news(): void;
  progressed(leaseId: LeaseId, task: number, progress: TaskProgress): void;
  livenessPassed(): void;
}
