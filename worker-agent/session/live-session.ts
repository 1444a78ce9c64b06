import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '@karst/shared/clock.ts';
import type { ResolvedAction } from '@karst/shared/openjd/resolve-task.ts';
import type { ResolvedEnvironment } from '@karst/shared/openjd/resolved-job.ts';
import type { EnvironmentActionName } from '@karst/shared/openjd/types.ts';
import type { Leftovers } from '../process/leftovers.ts';
import { supervise } from '../process/supervise.ts';
import { TaskLog } from '../process/task-log.ts';
import type { TaskSpawner } from '../process/task-spawner.ts';
import type { Failure, FailureJudge } from './failure.ts';
import type { SignWatch } from './failure-signs.ts';
import type { Session } from './session.ts';
import { actionEnvironment, type HostEnvironment } from './task-environment.ts';
import { type OutputOptions, TaskOutput } from './task-output.ts';

export interface LiveSessionParts {
  spawner: TaskSpawner;
  leftovers: Leftovers;
  host: HostEnvironment;
  judge: FailureJudge;
  clock: Clock;
}

/** Who follows an action of an environment, and what ends it. */
export interface ActionWatch {
  /** `end` reads the output to its end. */
  follow(output: TaskOutput): { end(): Promise<void> };
  stop: AbortSignal;
  kill: AbortSignal;
  /** Of TaskOutput. */
  textMax?: number;
  signs?: SignWatch;
}

/** A failure in an environment's action. */
export interface EnvironmentFailure extends Failure {
  environment: string;
  action: EnvironmentActionName;
}

const never = new AbortController().signal;

/**
 * A session with its environments: entered once, in order, and exited in reverse. A failure or a
 * cancel ends it, as nobody knows what state that leaves it in: no more tasks, and everything that was
 * entered, or that was attempted, is exited.
 */
export class LiveSession {
  readonly session: Session;
  /** What the environments' actions print. */
  readonly log: TaskLog;
  /** False once a task failed or was canceled: it must be ended. */
  sound = true;
  readonly #parts: LiveSessionParts;
  #entered = false;
  /** Actions of environments may have run. */
  #opened = false;
  /** How many environments were entered, or attempted. */
  #attempted = 0;

  constructor(session: Session, parts: LiveSessionParts) {
    this.session = session;
    this.#parts = parts;
    this.log = new TaskLog(`${session.dir}.log`);
  }

  get entered(): boolean {
    return this.#entered;
  }

  /** Enters every environment, unless that was done. Stops at the first that fails or is canceled. */
  async enter(watch: ActionWatch): Promise<EnvironmentFailure | 'interrupted' | undefined> {
    if (this.#entered) return undefined;
    const { session } = this;
    if (this.#hasScripts && !this.#opened) {
      await this.log.begin();
      this.#parts.leftovers.sessionOpened(session.id);
      this.#opened = true;
    }
    for (const environment of session.environments.slice(this.#attempted)) {
      this.#attempted += 1;
      session.variables.push(session.environmentVariables(environment));
      const ended = await this.#act(environment, 'onEnter', watch);
      if (ended === undefined) continue;
      this.sound = false;
      return ended;
    }
    if (this.#hasScripts) await session.tree.adapt();
    this.#entered = true;
    return undefined;
  }

  /**
   * Has the session go on in other environments: those that both begin with stay entered, the others are
   * exited here, and enter() enters the new ones. Resolves to what went wrong; then it is sound no more.
   */
  async moveTo(
    environments: readonly ResolvedEnvironment[],
    watch: ActionWatch,
  ): Promise<EnvironmentFailure[]> {
    const before = this.session.environments;
    const differs = before.findIndex((one, at) => !isDeepStrictEqual(one, environments[at]));
    const failures = await this.#exitTo(differs === -1 ? before.length : differs, true, watch);
    if (failures.length > 0) this.sound = false;
    this.session.environments = environments;
    this.#entered = this.#entered && this.#attempted === environments.length;
    return failures;
  }

  /**
   * Exits the environments, ends what they left running and, unless it is to be kept, removes the
   * directory. Without `exits` nothing more is run. Resolves to what went wrong; throws when the
   * directory can't be removed.
   */
  async end(
    exits: boolean,
    watch: ActionWatch = quiet,
    keepsDir = false,
  ): Promise<EnvironmentFailure[]> {
    this.sound = false;
    const failures = await this.#exitTo(0, exits, watch);
    if (this.#opened) {
      await this.#parts.leftovers.sessionEnded(this.session.id);
      await this.log.close();
    }
    if (!keepsDir) await this.session.close();
    return failures;
  }

  /** Leaves environments, innermost first, until `left` are entered. */
  async #exitTo(left: number, exits: boolean, watch: ActionWatch): Promise<EnvironmentFailure[]> {
    const failures: EnvironmentFailure[] = [];
    while (this.#attempted > left) {
      this.#attempted -= 1;
      const environment = this.session.environments[this.#attempted];
      if (exits && environment !== undefined && !watch.kill.aborted) {
        const failure = await this.#act(environment, 'onExit', watch);
        if (failure !== undefined && failure !== 'interrupted') failures.push(failure);
      }
      this.session.variables.pop();
    }
    return failures;
  }

  get #hasScripts(): boolean {
    return this.session.environments.some(({ script }) => script !== undefined);
  }

  async #act(
    environment: ResolvedEnvironment,
    name: EnvironmentActionName,
    watch: ActionWatch,
  ): Promise<EnvironmentFailure | 'interrupted' | undefined> {
    const { session } = this;
    const told = (failure: Failure): EnvironmentFailure => ({
      ...failure,
      environment: environment.name,
      action: name,
      message: `${name} of the environment ${JSON.stringify(environment.name)}: ${failure.message}`,
    });
    try {
      const action = await session.environmentAction(environment, name);
      if (action === undefined) return undefined;
      const mark = `${name} ${session.environments.indexOf(environment)}`;
      const sets = name === 'onEnter' && {
        variables: session.variables,
        redactedVariables: environment.redactedVariables ?? false,
      };
      const failure = await this.#run(action, mark, watch, sets || {});
      return failure === undefined || failure === 'interrupted' ? failure : told(failure);
    } catch (error) {
      return told(this.#parts.judge.nodeFailure(error));
    }
  }

  async #run(
    action: ResolvedAction,
    mark: string,
    watch: ActionWatch,
    sets: Pick<OutputOptions, 'variables' | 'redactedVariables'>,
  ): Promise<Failure | 'interrupted' | undefined> {
    const { spawner, leftovers, host, judge, clock } = this.#parts;
    const { session, log } = this;
    const output = new TaskOutput(log, {
      secrets: session.secrets,
      from: log.sizeBytes(),
      ...sets,
      ...(watch.textMax === undefined ? {} : { textMax: watch.textMax }),
      ...(watch.signs === undefined ? {} : { signs: watch.signs }),
    });
    const process = spawner.start({
      command: action.command,
      args: action.args,
      cwd: session.dir,
      env: actionEnvironment(host, session, mark),
      logPath: log.path,
      keepsGroup: true,
    });
    const tail = watch.follow(output);
    const supervised = await supervise(process, {
      timeoutSeconds: action.timeoutSeconds,
      cancelation: action.cancelation,
      sessionDir: session.dir,
      belongs: leftovers.belongsToAction(session.id, mark),
      stop: watch.stop,
      kill: watch.kill,
      clock,
    });
    await tail.end();
    if (supervised.cause === 'stop' || supervised.cause === 'kill') return 'interrupted';
    return await judge.judge(supervised, output, action);
  }
}

/** Nobody looks, and nothing ends it but its timeout. */
const quiet: ActionWatch = {
  follow: (output) => ({
    end: async () => {
      await output.finish();
    },
  }),
  stop: never,
  kill: never,
};

/** As quiet, and ended at once when `kill` aborts. */
export const quietUntil = (kill: AbortSignal): ActionWatch => ({ ...quiet, kill });
