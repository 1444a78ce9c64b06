import type { Clock } from '@karst/shared/clock.ts';
import type { Grant, TaskResult } from '@karst/shared/protocol/lease.ts';
import type { Result } from '@karst/shared/result.ts';
import type { CollectedFile, OutputWatch } from '../outputs/output-watch.ts';
import type { Publisher } from '../outputs/publisher.ts';
import type { Leftovers } from '../process/leftovers.ts';
import { type Supervised, supervise } from '../process/supervise.ts';
import type { TaskLog } from '../process/task-log.ts';
import type { TaskSpawner } from '../process/task-spawner.ts';
import type { LeaseKeeper } from '../sync/lease-keeper.ts';
import { type Failure, type FailureJudge, failedResult } from './failure.ts';
import type { LiveTails } from './live-tails.ts';
import type { Session } from './session.ts';
import { type HostEnvironment, taskEnvironment } from './task-environment.ts';
import { TaskOutput } from './task-output.ts';

/** Everything a task needs that it shares with others of its lease. */
export interface TaskSurroundings {
  grant: Grant;
  session: Session;
  log: TaskLog;
  outputs: OutputWatch;
  publisher: Publisher;
  host: HostEnvironment;
  leftovers: Leftovers;
  spawner: TaskSpawner;
  tails: LiveTails;
  judge: FailureJudge;
  keeper: LeaseKeeper;
  clock: Clock;
  /** The agent stops: end the task the way its template says, and give it back. */
  stop: AbortSignal;
  /** The lease is gone: end the task at once. */
  kill: AbortSignal;
}

/** Tasks that ran longer are cleaned up after at once; shorter ones share a sweep. */
const thoroughMs = 1000;

/** How a task ended. `interrupted`: by us, not by its own doing; there is no result. */
export type TaskEnd = { kind: 'result'; result: TaskResult } | { kind: 'interrupted' };

/** Runs one task to its end, its outputs and log in storage. */
export async function runTask(around: TaskSurroundings, index: number): Promise<TaskEnd> {
  const { clock, log, session } = around;
  const startedAtMs = clock.nowMs();
  const ended = await execute(around, index);
  if (!ended.ok) {
    const endedAtMs = clock.nowMs();
    return {
      kind: 'result',
      result: failedResult(index, startedAtMs, endedAtMs, ended.error, undefined),
    };
  }
  const { supervised, output } = ended.value;
  // A frozen agent learns of its own lateness here: by now the helper may have killed the task.
  around.keeper.check();
  if (around.kill.aborted || supervised.cause === 'stop') return { kind: 'interrupted' };
  const failure = await around.judge.judge(supervised, output, session);
  const times = { first: index, last: index, startedAtMs, endedAtMs: clock.nowMs() };
  const logged = log.sizeBytes() > 0;
  if (failure === undefined && !logged && session.outputs.length === 0) {
    return { kind: 'result', result: { outcome: 'succeeded', ...times } };
  }
  return await publish(around, index, times, failure);
}

/** Uploads what a task made; a failure of that turns success into failure. */
async function publish(
  around: TaskSurroundings,
  index: number,
  times: { first: number; last: number; startedAtMs: number; endedAtMs: number },
  failed: Failure | undefined,
): Promise<TaskEnd> {
  const { publisher, outputs, log } = around;
  const collected: Result<CollectedFile[], Failure> =
    failed === undefined ? await outputs.collect() : { ok: false, error: failed };
  const files = collected.ok ? collected.value : [];
  const published = await publisher.publish(index, files, log);
  if (!published.ok && published.error.kind === 'aborted') return { kind: 'interrupted' };
  const failure = collected.ok
    ? published.ok || published.error.kind === 'aborted'
      ? undefined
      : published.error
    : collected.error;
  const logSizeBytes = published.ok ? published.value.logSizeBytes : 0;
  if (failure !== undefined) {
    const { startedAtMs, endedAtMs } = times;
    const result = failedResult(index, startedAtMs, endedAtMs, failure, logSizeBytes);
    return { kind: 'result', result };
  }
  return {
    kind: 'result',
    result: {
      outcome: 'succeeded',
      ...times,
      ...(files.length === 0 ? {} : { outputs: files.map(reported) }),
      ...(logSizeBytes === 0 ? {} : { log: { sizeBytes: logSizeBytes } }),
    },
  };
}

const reported = ({ path, sha256, sizeBytes }: CollectedFile) => ({ path, sha256, sizeBytes });

/** Prepares and runs the process, and ends whatever it left behind. */
async function execute(
  around: TaskSurroundings,
  index: number,
): Promise<Result<{ supervised: Supervised; output: TaskOutput }, Failure>> {
  const { grant, session, log, host, leftovers, spawner, tails, clock, judge } = around;
  try {
    await session.writeEmbeddedFiles(index);
    await around.outputs.begin();
    await log.begin();
  } catch (error) {
    return { ok: false, error: judge.nodeFailure(error) };
  }
  const action = session.action(index);
  const output = new TaskOutput(log);
  const { leaseId } = grant;
  leftovers.started(leaseId, index);
  const process = spawner.start({
    command: action.command,
    args: action.args,
    cwd: session.dir,
    env: taskEnvironment(host, session, grant, index),
    logPath: log.path,
  });
  const startedMonotonicMs = clock.monotonicMs();
  const tail = tails.follow(leaseId, index, output);
  const supervised = await supervise(process, {
    timeoutSeconds: action.timeoutSeconds,
    cancelation: action.cancelation,
    sessionDir: session.dir,
    belongs: leftovers.belongsTo(leaseId, index),
    stop: around.stop,
    kill: around.kill,
    clock,
  });
  const thorough =
    supervised.cause !== undefined ||
    session.outputs.length > 0 ||
    clock.monotonicMs() - startedMonotonicMs > thoroughMs;
  await leftovers.ended(leaseId, thorough);
  await tail.end();
  return { ok: true, value: { supervised, output } };
}
