import { routes } from '@karst/shared/protocol/routes.ts';
import { patientRetry } from '../api/backoff.ts';
import { connect } from '../connection/connection.ts';
import { adminKeyPath } from '../connection/farm-files.ts';
import { type CliContext, say } from '../context.ts';
import { messageOf } from '../failure.ts';
import {
  agentSpec,
  type FarmSettings,
  localS3Spec,
  orchestratorSpec,
  previewsSpec,
  redisSpec,
} from './parts.ts';
import { type ProcessSpec, SupervisedProcess } from './supervised-process.ts';

/** The processes of a farm on this machine, in the order they were started. */
export class Farm {
  readonly #context: CliContext;
  readonly #settings: FarmSettings;
  readonly #services: SupervisedProcess[] = [];
  readonly #agents: SupervisedProcess[] = [];
  #starting: Promise<unknown> = Promise.resolve();

  constructor(context: CliContext, settings: FarmSettings) {
    this.#context = context;
    this.#settings = settings;
  }

  /** Starts everything; what had started is running when it rejects, and `stop` ends it. */
  start(agentCount: number, signal: AbortSignal): Promise<{ nodeIds: string[] }> {
    const starting = this.#start(agentCount, signal);
    this.#starting = starting;
    return starting;
  }

  async #start(agentCount: number, signal: AbortSignal): Promise<{ nodeIds: string[] }> {
    const settings = this.#settings;
    const storage = [localS3Spec(settings)];
    if (settings.redisUrl === undefined) storage.push(redisSpec(settings));
    await Promise.all(storage.map((spec) => this.#startService(spec)));
    signal.throwIfAborted();
    await this.#startService(orchestratorSpec(settings));
    const [nodeIds] = await Promise.all([
      this.#startAgents(agentCount, signal),
      this.#startPreviews(),
    ]);
    return { nodeIds };
  }

  async #startAgents(agentCount: number, signal: AbortSignal): Promise<string[]> {
    const settings = this.#settings;
    const nodeIds: string[] = [];
    for (let n = 1; n <= agentCount; n++) {
      signal.throwIfAborted();
      const agent = this.#supervised(agentSpec(settings, n, () => this.#enrollmentToken()));
      this.#agents.push(agent);
      const ready = await agent.start();
      nodeIds.push(typeof ready.nodeId === 'string' ? ready.nodeId : `agent ${n}`);
    }
    return nodeIds;
  }

  /** A farm without previews is a farm all the same. */
  async #startPreviews(): Promise<void> {
    const spec = previewsSpec(this.#settings);
    if (spec === undefined) {
      say(this.#context, 'ffmpeg is not on the PATH: no previews are made.');
      return;
    }
    await this.#startService(spec).catch((error: unknown) => {
      say(this.#context, `No previews are made: ${messageOf(error)}`);
    });
  }

  /** Agents first, so that their results still arrive; then the orchestrator; then what it stands on. */
  async stop(now: AbortSignal): Promise<void> {
    await Promise.all(this.#agents.map((agent) => agent.stop(now)));
    for (const service of this.#services.toReversed()) await service.stop(now);
    // A start that was broken off has failed by now, which is what was wanted.
    await this.#starting.catch(() => undefined);
  }

  async #startService(spec: ProcessSpec): Promise<void> {
    const service = this.#supervised(spec);
    this.#services.push(service);
    await service.start();
  }

  #supervised(spec: ProcessSpec): SupervisedProcess {
    const { clock, random } = this.#context;
    const onTrouble = (line: string) => say(this.#context, line);
    return new SupervisedProcess(spec, { clock, random, onTrouble });
  }

  async #enrollmentToken(): Promise<string> {
    const { farm, dir } = this.#settings;
    const api = await connect(this.#context, { url: farm.url, keyFile: adminKeyPath(dir) });
    const body = { ttlSeconds: 600 };
    const answer = await api.call(routes.createEnrollmentToken, { body }, { retry: patientRetry });
    return answer.token;
  }
}
