import type { Logger } from 'pino';

/**
 * Ends a role in good order, once: at SIGTERM or SIGINT, and where it must not outlive its parent when
 * that one is gone. Exits with 0, with 1 where it could not stop.
 */
export function runUntilStopped(
  role: { stop(): Promise<void> },
  { logger, exitWithParent }: { logger: Logger; exitWithParent: boolean },
): void {
  let stopping = false;
  const stop = () => {
    if (stopping) return;
    stopping = true;
    role.stop().then(
      () => process.exit(0),
      (error: unknown) => {
        logger.error({ err: error }, 'shutdown failed');
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  if (exitWithParent) process.stdin.on('end', stop).resume();
}
