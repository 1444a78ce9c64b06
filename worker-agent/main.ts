import { flushCompileCache } from 'node:module';
import { systemClock } from '@karst/shared/clock.ts';
import type { NodeId } from '@karst/shared/protocol/ids.ts';
import { systemRandom } from '@karst/shared/random.ts';
import { keepYoungGenerationSmall } from '@karst/shared/small-young-generation.ts';
import { type Logger, pino } from 'pino';
import type { Agent, AgentEnd } from './agent.ts';
import { type AgentConfig, readConfig } from './config.ts';
import { EnrollmentRefused } from './identity/enroll.ts';
import { StateDirectory } from './identity/state-directory.ts';
import { startAgent } from './start.ts';

/** 0: drained. 1: can't start, or another process took over. 4: the node is not (or no longer) enrolled. */
type ExitCode = 0 | 1 | 4;

/** Signals may come before there is an agent to drain. */
class Stopping {
  readonly start = new AbortController();
  #agent: Agent | undefined;
  #asked = 0;

  attach(agent: Agent): void {
    this.#agent = agent;
    if (this.#asked > 0) agent.stop(this.#asked > 2);
  }

  /** The first signal drains, the second ends the tasks, the third kills them. */
  signal(): void {
    this.#asked += 1;
    this.start.abort(new Error('stopped while starting'));
    if (this.#asked === 1) this.#agent?.drain();
    else this.#agent?.stop(this.#asked > 2);
  }

  parentGone(): void {
    this.#asked += 3;
    this.start.abort(new Error('stopped while starting'));
    this.#agent?.stop(true);
  }
}

async function main(): Promise<ExitCode> {
  keepYoungGenerationSmall();
  let config: AgentConfig;
  try {
    config = readConfig(process.env);
  } catch (error) {
    process.stderr.write(`karst agent: ${error instanceof Error ? error.message : error}\n`);
    return 1;
  }
  const logger = pino({ level: config.logLevel, base: { service: 'agent' } }, process.stderr);
  const stopping = new Stopping();
  process.on('SIGTERM', () => stopping.signal());
  process.on('SIGINT', () => stopping.signal());
  // Whoever read our output may be gone; that must not keep tasks from being given back.
  process.stdout.on('error', () => undefined);
  process.stderr.on('error', () => undefined);
  if (config.exitWithParent) {
    process.stdin.on('close', () => stopping.parentGone());
    process.stdin.resume();
  }
  try {
    return await serve(config, logger, stopping);
  } catch (error) {
    if (stopping.start.signal.aborted) return 0;
    const message = error instanceof Error ? error.message : String(error);
    logger.fatal({ error: message }, 'the agent could not start');
    process.stderr.write(`karst agent: ${message}\n`);
    return error instanceof EnrollmentRefused ? 4 : 1;
  }
}

async function serve(config: AgentConfig, logger: Logger, stopping: Stopping): Promise<ExitCode> {
  const directory = await StateDirectory.open(config.dir);
  try {
    const { agent, close } = await startAgent({
      config,
      directory,
      logger,
      clock: systemClock,
      random: systemRandom,
      signal: stopping.start.signal,
      onReady: announce,
    });
    stopping.attach(agent);
    const end = await agent.run();
    await close();
    return exitCode(end, directory.path);
  } finally {
    await directory.release();
  }
}

const announce = (nodeId: NodeId) => {
  process.stdout.write(`${JSON.stringify({ event: 'ready', nodeId })}\n`);
  flushCompileCache();
};

function exitCode(end: AgentEnd, dir: string): ExitCode {
  switch (end.kind) {
    case 'drained':
      return 0;
    case 'superseded':
      process.stderr.write(`karst agent: ${end.message}; this one has ended\n`);
      return 1;
    case 'unknown':
      process.stderr.write(
        `karst agent: the orchestrator does not know this node (${end.message}); to enrol anew, remove ${dir}/node.json and give a new token\n`,
      );
      return 4;
  }
}

process.exitCode = await main();
process.stdin.unref?.();
