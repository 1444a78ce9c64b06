import { flushCompileCache } from 'node:module';
import { systemClock } from '@karst/shared/clock.ts';
import { systemRandom } from '@karst/shared/random.ts';
import { pino } from 'pino';
import { parseConfig } from './config.ts';
import { startOrchestrator } from './orchestrator.ts';
import { runUntilStopped } from './run-until-stopped.ts';

/** `karst serve`: one replica of the orchestrator. The only reader of process.env. */
async function main(): Promise<void> {
  const config = parseConfig(process.env);
  const logger = pino({ level: config.KARST_LOG_LEVEL }, pino.destination(2));
  const orchestrator = await startOrchestrator(config, {
    logger,
    clock: systemClock,
    random: systemRandom,
  });
  process.stdout.write(`${JSON.stringify({ event: 'listening', url: orchestrator.url })}\n`);
  // Now, not at the end: a server is killed as often as it ends.
  flushCompileCache();
  runUntilStopped(orchestrator, { logger, exitWithParent: config.KARST_EXIT_WITH_PARENT });
}

main().catch((error: unknown) => {
  process.stderr.write(`karst serve: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
});
