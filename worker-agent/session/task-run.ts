import { unlink } from 'node:fs/promises';
import type { Clock } from '@karst/shared/clock.ts';
import { chunkParameters } from '@karst/shared/openjd/parameter-space.ts';
import type { Grant, LeaseDefinition, TaskResult } from '@karst/shared/protocol/lease.ts';
import type { Result } from '@karst/shared/result.ts';
import type { CollectedFile, OutputWatch } from '../outputs/output-watch.ts';
import type { Publisher } from '../outputs/publisher.ts';
import type { Leftovers } from '../process/leftovers.ts';
import { type LogPart, writeStoredLog } from '../process/stored-log.ts';
import { supervise } from '../process/supervise.ts';
import type { TaskLog } from '../process/task-log.ts';
import type { TaskSpawner } from '../process/task-spawner.ts';
import type { LeaseKeeper } from '../sync/lease-keeper.ts';
import { type Failure, type FailureJudge, failedResult } from './failure.ts';
import type { FailureSigns, SignWatch } from './failure-signs.ts';
import type { LiveSession } from './live-session.ts';
import type { LiveTails } from './live-tails.ts';
import type { SessionStep, TaskRange } from './session-step.ts';
import { type HostEnvironment, taskEnvironment } from './task-environment.ts';
import { TaskOutput } from './task-output.ts';

/** Everything a task needs that it shares with others of its lease. */
export interface TaskSurroundings {
  grant: Grant;
  live: LiveSession;
  step: SessionStep;
  log: TaskLog;
  outputs: OutputWatch;
  publisher: Publisher;
  host: HostEnvironment;
  leftovers: Leftovers;
  spawner: TaskSpawner;
  tails: LiveTails;
  judge: FailureJudge;
  signs: FailureSigns;
  /** When a task is told to be silent, and whether it is ended then. */
  silence: LeaseDefinition['silence'];
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

/** What came of a task's actions. */
interface Ran {
  failure?: Failure | undefined;
  interrupted?: boolean;
  /** What its environments printed while they were entered for it, bytes. */
  enteredBytes: number;
  /** The log holds something nobody may read. */
  isSecret?: boolean;
}

/** A task's actions, and what their output showed. */
interface Watched extends Ran {
  signs: SignWatch;
}

/**
 * Runs one task to its end, its outputs and log in storage; where chunks adapt, the whole span as one,
 * under its first task's number. The first task of a session enters its environments. A session whose
 * task fails is sound no more.
 */
export async function runTask(around: TaskSurroundings, index: number): Promise<TaskEnd> {
  const { clock, live } = around;
  const startedAtMs = clock.nowMs();
  const range = { first: index, last: around.step.runsChunks ? around.grant.last : index };
  const signs = around.signs.watch();
  const ran = await execute(around, signs, range);
  // A frozen agent learns of its own lateness here: by now the helper may have killed the task.
  around.keeper.check();
  if (around.kill.aborted || ran.interrupted) {
    live.sound = false;
    return { kind: 'interrupted' };
  }
  const { failure } = ran;
  const times = { ...range, startedAtMs, endedAtMs: clock.nowMs() };
  const logged = around.log.sizeBytes() + ran.enteredBytes > 0;
  if (failure === undefined && !logged && around.outputs.isIdle) {
    return { kind: 'result', result: { outcome: 'succeeded', ...times } };
  }
  const end = await publish(around, times, { ...ran, signs });
  if (end.kind === 'interrupted' || end.result.outcome === 'failed') live.sound = false;
  return end;
}

/** Uploads what a task made; a failure of that turns success into failure. */
async function publish(
  around: TaskSurroundings,
  times: { first: number; last: number; startedAtMs: number; endedAtMs: number },
  ran: Watched,
): Promise<TaskEnd> {
  const { publisher, outputs } = around;
  const collected: Result<CollectedFile[], Failure> =
    ran.failure === undefined ? await outputs.collect() : { ok: false, error: ran.failure };
  if (around.kill.aborted) return { kind: 'interrupted' };
  const files = collected.ok ? collected.value : [];
  const published = await withStoredLog(around, ran, (path) =>
    publisher.publish(times.first, files, path),
  );
  if (!published.ok && published.error.kind === 'aborted') return { kind: 'interrupted' };
  const failure = collected.ok
    ? published.ok || published.error.kind === 'aborted'
      ? undefined
      : published.error
    : collected.error;
  if (failure === undefined) around.live.session.tree.published(files, around.grant.step);
  const logSizeBytes = published.ok ? published.value.logSizeBytes : 0;
  if (failure !== undefined) {
    const { startedAtMs, endedAtMs } = times;
    const told = { ...failure, rule: ran.signs.ruleOf(failure) };
    const result = failedResult(times, startedAtMs, endedAtMs, told, logSizeBytes);
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

/** The log as it may be stored: the task's own file, unless more belongs to it or less may be read. */
async function withStoredLog<T>(
  { log, live }: TaskSurroundings,
  { enteredBytes, isSecret = false }: Ran,
  use: (path: string | undefined) => Promise<T>,
): Promise<T> {
  const { secrets } = live.session;
  if (enteredBytes === 0 && !isSecret && secrets.size === 0) {
    return await use(log.sizeBytes() === 0 ? undefined : log.path);
  }
  const parts: LogPart[] = [
    { log: live.log, sizeBytes: enteredBytes },
    { log, sizeBytes: log.sizeBytes() },
  ];
  if (parts.every(({ sizeBytes }) => sizeBytes === 0)) return await use(undefined);
  const path = `${log.path}.stored`;
  await writeStoredLog(path, parts, secrets);
  try {
    return await use(path);
  } finally {
    await unlink(path);
  }
}

/** Prepares and runs the process, and ends whatever it left behind. */
async function execute(around: TaskSurroundings, signs: SignWatch, range: TaskRange): Promise<Ran> {
  const { live, log, judge } = around;
  let enteredBytes = 0;
  try {
    await log.begin();
    if (!live.entered) {
      const failure = await enter(around, signs, range.first);
      enteredBytes = live.log.sizeBytes();
      if (failure === 'interrupted') return { interrupted: true, enteredBytes };
      if (failure !== undefined) return { failure, enteredBytes };
    }
    await around.step.writeEmbeddedFiles(range);
    const { parameterSpace } = around.step.definition;
    const parameters = chunkParameters(parameterSpace, range.first, range.last);
    const failure = await around.outputs.begin(parameters);
    if (failure !== undefined) return { failure, enteredBytes };
  } catch (error) {
    return { failure: judge.nodeFailure(error), enteredBytes };
  }
  return { ...(await runAction(around, signs, range)), enteredBytes };
}

/** People who watch the task see its environments being entered. */
function enter(
  { live, tails, grant, stop, kill }: TaskSurroundings,
  signs: SignWatch,
  index: number,
) {
  const { leaseId } = grant;
  const follow = (output: TaskOutput) => tails.follow(leaseId, index, output);
  return live.enter({ follow, stop, kill, signs });
}

async function runAction(
  around: TaskSurroundings,
  signs: SignWatch,
  range: TaskRange,
): Promise<Pick<Ran, 'failure' | 'interrupted' | 'isSecret'>> {
  const { grant, live, step, log, host, leftovers, spawner, tails, clock, judge } = around;
  const { session } = live;
  const { first: index } = range;
  const action = step.action(range);
  const output = new TaskOutput(log, { secrets: session.secrets, signs });
  const { leaseId } = grant;
  leftovers.started(leaseId, index);
  const process = spawner.start({
    command: action.command,
    args: action.args,
    cwd: session.dir,
    env: taskEnvironment(host, step, grant, index),
    logPath: log.path,
  });
  const startedMonotonicMs = clock.monotonicMs();
  const silent = new AbortController();
  const { silence } = around;
  const reached = () => {
    if (silence?.ends) silent.abort();
  };
  const heard = silence && { seconds: silence.seconds, reached };
  const tail = tails.follow(leaseId, index, output, heard);
  const supervised = await supervise(process, {
    timeoutSeconds: action.timeoutSeconds,
    cancelation: action.cancelation,
    sessionDir: session.dir,
    belongs: leftovers.belongsTo(leaseId, index),
    stop: around.stop,
    silent: silent.signal,
    kill: around.kill,
    clock,
  });
  const thorough =
    supervised.cause !== undefined ||
    !around.outputs.isIdle ||
    clock.monotonicMs() - startedMonotonicMs > thoroughMs;
  await leftovers.ended(leaseId, thorough);
  await tail.end();
  around.keeper.check();
  if (around.kill.aborted || supervised.cause === 'stop') return { interrupted: true };
  const failure: Failure | undefined =
    supervised.cause === 'silent'
      ? { kind: 'silent', message: `printed nothing for ${silence?.seconds} s and was ended` }
      : await judge.judge(supervised, output, action);
  return { failure, isSecret: output.isSecret };
}
