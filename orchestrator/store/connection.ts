import { Redis, type RedisOptions } from 'ioredis';
import type { Logger } from 'pino';

/** Longer than any of our scripts runs: a server silent for this long hangs. */
const COMMAND_TIMEOUT_MS = 10_000;

/**
 * Opens a Redis connection that survives restarts of the server. While the server is away commands
 * fail instead of waiting for it, so that requests are answered 503; those under way when it went are
 * never sent again: a grant repeated blindly would find its own first run and take it for another's.
 */
export const connectRedis = (url: string, logger: Logger, name: string): Redis =>
  open(url, logger, name, { maxRetriesPerRequest: 0, commandTimeout: COMMAND_TIMEOUT_MS });

/** The same for subscriptions only: those wait for the server and stand again once it is back. */
export const connectSubscriber = (url: string, logger: Logger): Redis =>
  open(url, logger, 'subscriber', { maxRetriesPerRequest: null });

function open(url: string, logger: Logger, name: string, options: RedisOptions): Redis {
  const redis = new Redis(url, {
    ...options,
    connectionName: `karst-${name}`,
    retryStrategy: (attempt) => Math.min(50 * 2 ** Math.min(attempt, 5), 1000),
    lazyConnect: true,
  });
  // Without a listener ioredis prints to the console; each outage is logged once per try.
  redis.on('error', (error: Error) => logger.warn({ err: error.message, name }, 'redis error'));
  return redis;
}
