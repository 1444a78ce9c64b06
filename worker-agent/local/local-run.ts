import { join } from 'node:path';
import type { Clock } from '@karst/shared/clock.ts';
import { chunkParameters } from '@karst/shared/openjd/parameter-space.ts';
import { type LeaseId, leaseIdSchema } from '@karst/shared/protocol/ids.ts';
import type { Random } from '@karst/shared/random.ts';
import { supervise } from '../process/supervise.ts';
import { TaskLog } from '../process/task-log.ts';
import type { Failure } from '../session/failure.ts';
import { type ActionWatch, LiveSession, type LiveSessionParts } from '../session/live-session.ts';
import { Session } from '../session/session.ts';
import type { SessionStep } from '../session/session-step.ts';
import { localTaskEnvironment } from '../session/task-environment.ts';
import { TaskOutput } from '../session/task-output.ts';
import { OutputPrinter, type PrintTo } from './output-printer.ts';
import type { RunPlan } from './run-plan.ts';
import { TaskTurns, type Turn } from './task-turns.ts';

export interface LocalRunOptions {
  plan: RunPlan;
  parts: LiveSessionParts;
  /** Sessions and logs go here. */
  dir: string;
  to: PrintTo;
  clock: Clock;
  random: Random;
  /** Ends what runs the way the template says, then leaves the environments. */
  stop: AbortSignal;
  /** Ends everything at once. */
  kill: AbortSignal;
}

/**
 * Runs tasks of a job on this machine, one after the other, until one fails: in one session, as OpenJD's
 * own CLI does. The job's environments stay entered from the first task to the last, each step's while
 * it runs.
 */
export class LocalRun {
  readonly #options: LocalRunOptions;
  readonly #printer: OutputPrinter;
  readonly #log: TaskLog;
  readonly #leaseId: LeaseId;
  #ran = 0;

  constructor(options: LocalRunOptions) {
    this.#options = options;
    this.#printer = new OutputPrinter(options.to);
    this.#log = new TaskLog(join(options.dir, 'task.log'));
    this.#leaseId = leaseIdSchema.parse(options.random.uuid());
  }

  /** Whether everything succeeded; what did not has been said. */
  async run(): Promise<boolean> {
    const { plan, parts, dir, to, clock, stop } = this.#options;
    const startedMs = clock.monotonicMs();
    const { job, preserve = false } = plan;
    const session = new Session(join(dir, 'session'), {
      jobName: job.name,
      parameters: job.parameters,
      locations: {},
      pathMappingRules: plan.pathMappingRules,
    });
    const live = new LiveSession(session, parts);
    await session.open();
    let good = true;
    for (const { step, tasks } of plan.steps) {
      good = await this.#runStep(live, step, tasks);
      if (!good) break;
    }
    const left = this.#isGood(await live.end(true, this.#exitWatch, preserve));
    if (preserve) to.say(`The session's directory is kept: ${session.dir}`);
    good = good && left && !stop.aborted;
    await this.#log.close();
    const seconds = ((clock.monotonicMs() - startedMs) / 1000).toFixed(1);
    const tasks = this.#ran === 1 ? '1 task' : `${this.#ran} tasks`;
    to.say(
      good ? `Succeeded: ${tasks} in ${seconds} s.` : `Failed after ${tasks} in ${seconds} s.`,
    );
    return good;
  }

  async #runStep(
    live: LiveSession,
    index: number,
    tasks: readonly number[] | undefined,
  ): Promise<boolean> {
    const { plan, to } = this.#options;
    const { job, tasksMax } = plan;
    const definition = job.steps[index];
    if (definition === undefined) throw new Error(`the job has no step ${index}`);
    const { jobEnvironments = [] } = job;
    const environments = [...jobEnvironments, ...(definition.environments ?? [])];
    if (!this.#isGood(await live.moveTo(environments, this.#exitWatch))) return false;
    const step = await live.session.enterStep(definition);
    const turns = new TaskTurns(definition, tasks, tasksMax);
    for (let turn = turns.next(); turn !== undefined; turn = turns.next()) {
      const failure = await this.#runTasks(live, step, turn, turns);
      if (failure === undefined) continue;
      to.say(failure === 'interrupted' ? 'Canceled.' : `The task failed: ${failure.message}.`);
      return false;
    }
    // A step's own are left with it, also when the next step has the very same.
    return this.#isGood(await live.moveTo(jobEnvironments, this.#exitWatch));
  }

  #isGood(failures: readonly Failure[]): boolean {
    for (const { message } of failures) this.#options.to.say(`Failed: ${message}.`);
    return failures.length === 0;
  }

  /** One task, or those of a chunk as one. */
  async #runTasks(
    live: LiveSession,
    step: SessionStep,
    turn: Turn,
    turns: TaskTurns,
  ): Promise<Failure | 'interrupted' | undefined> {
    const { parts, to, stop, kill, clock } = this.#options;
    const { session } = live;
    if (stop.aborted || kill.aborted) return 'interrupted';
    const entered = await live.enter(this.#watch(stop, kill));
    if (entered !== undefined) return entered;
    to.say(taskTitle(step, turn));
    await step.writeEmbeddedFiles(turn);
    await this.#log.begin();
    const action = step.action(turn);
    const output = new TaskOutput(this.#log, {
      secrets: session.secrets,
      textMax: Number.POSITIVE_INFINITY,
    });
    const { first, last } = turn;
    parts.leftovers.started(this.#leaseId, first);
    const startedMs = clock.monotonicMs();
    const process = parts.spawner.start({
      command: action.command,
      args: action.args,
      cwd: session.dir,
      env: localTaskEnvironment(parts.host, step, this.#leaseId, first),
      logPath: this.#log.path,
    });
    const tail = this.#printer.follow(output);
    const supervised = await supervise(process, {
      timeoutSeconds: action.timeoutSeconds,
      cancelation: action.cancelation,
      sessionDir: session.dir,
      belongs: parts.leftovers.belongsTo(this.#leaseId, first),
      stop,
      kill,
      clock,
    });
    const ranMs = clock.monotonicMs() - startedMs;
    await parts.leftovers.ended(this.#leaseId, true);
    await tail.end();
    this.#ran += last - first + 1;
    if (supervised.cause === 'stop' || supervised.cause === 'kill') return 'interrupted';
    const failure = await parts.judge.judge(supervised, output, action);
    if (failure === undefined) turns.finished(turn, ranMs);
    return failure;
  }

  /** Only a kill keeps environments from being left well. */
  get #exitWatch(): ActionWatch {
    return this.#watch(new AbortController().signal, this.#options.kill);
  }

  #watch(stop: AbortSignal, kill: AbortSignal): ActionWatch {
    const follow = (output: TaskOutput) => this.#printer.follow(output);
    return { follow, stop, kill, textMax: Number.POSITIVE_INFINITY };
  }
}

function taskTitle({ name, definition }: SessionStep, { first, last }: Turn): string {
  const values = Object.entries(chunkParameters(definition.parameterSpace, first, last));
  const told = values.map(([parameter, { value }]) => `${parameter}=${value}`).join(' ');
  const tasks = first === last ? `task ${first}` : `tasks ${first} to ${last}`;
  return told === '' ? `Step ${name}` : `Step ${name}, ${tasks}: ${told}`;
}
