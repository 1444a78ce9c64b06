import { systemClock } from '@karst/shared/clock.ts';
import { pino } from 'pino';
import { startPreviews } from './previews/start-previews.ts';
import { parsePreviewsConfig } from './previews-config.ts';
import { runUntilStopped } from './run-until-stopped.ts';

/** `karst preview-worker`: makes previews; several may run. The only reader of process.env. */
async function main(): Promise<void> {
  const config = parsePreviewsConfig(process.env);
  const logger = pino({ level: config.KARST_LOG_LEVEL }, pino.destination(2));
  const previews = await startPreviews(config, { logger, clock: systemClock });
  process.stdout.write(`${JSON.stringify({ event: 'ready' })}\n`);
  runUntilStopped(previews, { logger, exitWithParent: config.KARST_EXIT_WITH_PARENT });
}

main().catch((error: unknown) => {
  const told = error instanceof Error ? error.message : String(error);
  process.stderr.write(`karst preview-worker: ${told}\n`);
  process.exit(1);
});
