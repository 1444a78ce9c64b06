import type { JobId, KeyId, LeaseId, NodeId, StudioId } from '@karst/shared/protocol/ids.ts';

/**
 * Every Redis key's name. A job's keys share the hash tag {jobId}, a node's {nodeId}: one atomic step
 * touches one tag only, so that Redis Cluster can shard by job.
 */
const job = (jobId: JobId, rest: string) => `karst:{${jobId}}:${rest}`;
const node = (nodeId: NodeId, rest: string) => `karst:{${nodeId}}:${rest}`;

const storage = (studio: StudioId, rest: string) => `karst:{storage:${studio}}:${rest}`;
const assets = (studio: StudioId, rest: string) => `karst:{assets:${studio}}:${rest}`;

export const keys = {
  /** Hash: the job's state, counters, policy. */
  job: (id: JobId) => job(id, 'job'),
  /** String: the resolved job, its locations and policy as JSON. */
  jobDefinition: (id: JobId) => job(id, 'definition'),
  /** Hash: one step's state, counters, cursor. */
  step: (id: JobId, step: number) => job(id, `step:${step}`),
  /** Hash span id → packed span: what is queued or leased. */
  spans: (id: JobId, step: number) => job(id, `step:${step}:spans`),
  /** Sorted set of `first last`, score = first: the chunks of a step whose chunks adapt. */
  chunks: (id: JobId, step: number) => job(id, `step:${step}:chunks`),
  /** Bitmap by task index: what was ever in a span, where tasks are not fed by ascending index. */
  fed: (id: JobId, step: number) => job(id, `step:${step}:fed`),
  /** Set of leases that will never be granted: their nodes struck them off. Kept for a while. */
  voidLeases: (id: JobId, step: number) => job(id, `step:${step}:void`),
  /** Bitmap by task index. */
  succeeded: (id: JobId, step: number) => job(id, `step:${step}:succeeded`),
  /** Bitmap by task index. */
  failed: (id: JobId, step: number) => job(id, `step:${step}:failed`),
  /** Hash task index → attempts that failed by the task's (field i) or another's (field i:f) fault. */
  failures: (id: JobId, step: number) => job(id, `step:${step}:failures`),
  /** Hash task index → the last finished attempt as JSON, for what is not a bare success. */
  attempts: (id: JobId, step: number) => job(id, `step:${step}:attempts`),
  /** Sorted set of successes without outputs or logs, score = first index. */
  runs: (id: JobId, step: number) => job(id, `step:${step}:runs`),
  /** Hash bucket (scheduler/task-times.ts) → how many succeeded attempts took that long. */
  times: (id: JobId, step: number) => job(id, `step:${step}:times`),
  /** Hash task index → accepted outputs as JSON; '' where a person has had the task run again since. */
  outputs: (id: JobId, step: number) => job(id, `step:${step}:outputs`),
  /** Hash of a hash of an output's path → 'step:task' of who wrote it. Gone with the job's end. */
  paths: (id: JobId, number: number) => job(id, `paths:${number}`),
  /** Hash page → name of its object in storage, with ` o` behind it where it holds outputs. */
  pages: (id: JobId, step: number) => job(id, `step:${step}:pages`),
  pageOutLock: (id: JobId) => job(id, 'page-out:lock'),
  /** Hash page → finished tasks that were looked at when it was last paged out. */
  paged: (id: JobId, step: number) => job(id, `step:${step}:paged`),
  /** Hash task index → progress of the running attempt as JSON. */
  progress: (id: JobId, step: number) => job(id, `step:${step}:progress`),
  /** List of `step:task` whose accepted outputs the studio's view does not hold yet. */
  unpublished: (id: JobId) => job(id, 'unpublished'),
  /** Hash task index, or `missing` → suspicious frames as JSON; see store/suspicious-store.ts. */
  suspicious: (id: JobId, step: number) => job(id, `step:${step}:suspicious`),
  /** String: for a while nothing is preempted for the step: room made for it was not used. */
  preemptPause: (id: JobId, step: number) => job(id, `step:${step}:preempt-pause`),
  /** Hash span id → `task lease node host port`: leases of a gang that are ready. */
  gang: (id: JobId, step: number) => job(id, `step:${step}:gang`),
  /** Hash span id → epoch and result as JSON: of a gang, successes that count once all have succeeded. */
  gangDone: (id: JobId, step: number) => job(id, `step:${step}:gang-done`),
  /** List of `step first last number`: tasks done that single tasks of other steps wait for. */
  releases: (id: JobId) => job(id, 'release'),
  /** Stream: the live tail of one task's output. */
  liveLog: (id: JobId, step: number, task: number) => job(id, `log:${step}:${task}`),
  /** String: watchers were told that an attempt is slow. */
  toldSlow: (id: JobId, step: number, task: number, epoch: number) =>
    job(id, `slow:${step}:${task}:${epoch}`),
  /** String: the job was there and is deleted. Kept for as long as its idempotency key may be used. */
  deletedJob: (id: JobId) => job(id, 'deleted'),
  deletionLock: (id: JobId) => job(id, 'deletion:lock'),
  /** Prefix of the job's BullMQ queues. */
  queuePrefix: (id: JobId) => `karst:{${id}}:queue`,

  /** Sorted set of the studio's jobs by time of creation. */
  studioJobs: (studio: StudioId) => `karst:studio:${studio}:jobs`,
  /** Stream of the studio's events. */
  studioEvents: (studio: StudioId) => `karst:studio:${studio}:events`,
  idempotency: (studio: StudioId, key: string) => `karst:studio:${studio}:idempotency:${key}`,

  /** String: set once the farm's state stands, new or restored from storage. */
  farm: () => 'karst:farm',
  /** Set of jobs that are not terminal. */
  activeJobs: () => 'karst:jobs:active',
  /** Set of ended jobs whose tasks' details may not all be paged out. */
  unpagedJobs: () => 'karst:jobs:unpaged',
  /** Set of jobs with unpublished outputs. */
  publishingJobs: () => 'karst:jobs:publishing',

  /** Hash job → studio and steps as JSON: jobs whose deletion has begun. */
  deletingJobs: () => 'karst:jobs:deleting',
  /** String `ms run`: since when this Redis, of this run, remembers every touch of an input file. */
  assetsSince: (studio: StudioId) => assets(studio, 'since'),
  /** String: the latest touch, ms. */
  assetsLatest: (studio: StudioId) => assets(studio, 'latest'),
  /** String: until then verdicts may be carried out that this Redis does not know of, ms. */
  assetsQuiet: (studio: StudioId) => assets(studio, 'quiet'),
  /** Sorted set of hashes nobody may touch, score = until when, ms. */
  assetsCondemned: (studio: StudioId) => assets(studio, 'condemned'),
  /** Set of the first 16 digits of hashes touched in a period. */
  assetsTouched: (studio: StudioId, period: number) => assets(studio, `touched:${period}`),
  collectionLock: () => 'karst:collection:lock',
  /** String: until the next round over all input files. */
  collectionPause: () => 'karst:collection:pause',
  retentionLock: () => 'karst:retention:lock',

  /** Hash `kind:bytes`, `kind:objects` → what the studio stores; when it was counted, which count runs. */
  storageUse: (studio: StudioId) => storage(studio, 'use'),
  /** Set of the first 16 digits of hashes offered for upload since storage was last counted. */
  storageOffered: (studio: StudioId) => storage(studio, 'offered'),
  /** Set of studios whose storage was counted. */
  storageStudios: () => 'karst:storage:studios',
  storageCountLock: () => 'karst:storage:lock',
  /** String: until all studios are counted anew. */
  storageCountPause: () => 'karst:storage:pause',

  node: (id: NodeId) => node(id, 'node'),
  /** Hash lease id → packed grant. */
  nodeLeases: (id: NodeId) => node(id, 'leases'),
  /** String: `job step` that the node was told it likely gets next. */
  nodePrefetch: (id: NodeId) => node(id, 'prefetch'),
  /** Set of every enrolled node. */
  nodes: () => 'karst:nodes',
  /** Sorted set of online nodes by liveness deadline, ms. */
  nodeDeadlines: () => 'karst:nodes:deadlines',
  /** Set of nodes where room is being made, or kept, for somebody. */
  preemptingNodes: () => 'karst:nodes:preempting',
  /** String: who decides about preemption now. */
  preemptLock: () => 'karst:preempt:lock',
  enrollment: (id: string) => `karst:enrollment:${id}`,

  apiKey: (id: KeyId) => `karst:key:${id}`,
  /** Set of every API key's id. */
  apiKeys: () => 'karst:keys',

  /** Hash counter name → how many leases (or nodes, or GPUs) count in it. */
  ledgerCounts: () => 'karst:{farm}:ledger:counts',
  /** Hash `counter@node` → leases there, for counters that count nodes. */
  ledgerHosts: () => 'karst:{farm}:ledger:hosts',
  /** Hash lease id → its facts as JSON. */
  ledgerLeases: () => 'karst:{farm}:ledger:leases',
  /** Hash counter name → its ceiling. */
  ledgerCeilings: () => 'karst:{farm}:ledger:ceilings',
  /** Set of counters a grant found full. */
  ledgerFull: () => 'karst:{farm}:ledger:full',
  /** Hash account → `usage atMs`, core-seconds as they counted then. */
  usage: () => 'karst:{farm}:usage',
  /** Hash account → core-seconds it ever used. */
  spent: () => 'karst:{farm}:spent',
  /** Hash: how many charges there were, and how many of them storage has. */
  usageMirror: () => 'karst:{farm}:usage:mirror',
  usageLock: () => 'karst:{farm}:usage:lock',
  /** Hash `kind/name` → settings of a studio, project, limit or pool as JSON. */
  settings: () => 'karst:{farm}:settings',

  /** Prefix of the BullMQ queue of previews. */
  previewQueuePrefix: () => 'karst:{previews}:queue',
  /** Hash reason → how many suspicious frames were ever found. */
  suspiciousCounts: () => 'karst:{previews}:suspicious',

  /** Pub/sub channel between replicas. */
  wakeChannel: () => 'karst:wake',
  eventsChannel: () => 'karst:events',
} as const;

export type SpanRef = { jobId: JobId; step: number; spanId: number };
export type LeaseRef = SpanRef & { leaseId: LeaseId; epoch: number };
