import { Cluster, type RedisOptions, type Redis as Single } from 'ioredis';
import type { Logger } from 'pino';
import { GatheringRedis } from './gathering-redis.ts';

/** A single server, or a Redis Cluster: each call touches one hash slot, so that both will do. */
export type Redis = Single | Cluster;

/** Longer than any of our scripts runs: a server silent for this long hangs, and is connected to anew. */
const SILENCE_MS = 10_000;

/**
 * Opens a Redis connection that survives restarts of the server. While the server is away commands
 * fail instead of waiting for it, so that requests are answered 503; those under way when it went are
 * never sent again: a grant repeated blindly would find its own first run and take it for another's.
 */
export const connectRedis = (
  url: string,
  logger: Logger,
  name: string,
  silenceMs = SILENCE_MS,
): Redis => open(url, logger, name, { maxRetriesPerRequest: 0, socketTimeout: silenceMs });

/** The same for subscriptions only: those wait for the server and stand again once it is back. */
export const connectSubscriber = (url: string, logger: Logger): Redis =>
  open(url, logger, 'subscriber', { maxRetriesPerRequest: null });

/**
 * Connects, to every node of a cluster: one whose connection is only being made refuses commands, as
 * one that is away does. Throws when there is no connection.
 */
export async function connect(redis: Redis): Promise<void> {
  await redis.connect();
  if (redis instanceof Cluster) {
    await Promise.all(redis.nodes('master').map((node) => node.ping()));
  }
}

/** `redis://…`: one server. Several, with commas between: nodes of a cluster, by which all are found. */
function open(urls: string, logger: Logger, name: string, options: RedisOptions): Redis {
  const [first = '', ...others] = urls.split(',').map((url) => url.trim());
  const common = { ...options, connectionName: `karst-${name}` };
  const retryStrategy = (attempt: number) => Math.min(50 * 2 ** Math.min(attempt, 5), 1000);
  const redis =
    others.length === 0
      ? new GatheringRedis(first, { ...common, retryStrategy, lazyConnect: true })
      : new Cluster([first, ...others], {
          redisOptions: { ...credentials(first), ...common },
          clusterRetryStrategy: retryStrategy,
          lazyConnect: true,
          enableOfflineQueue: options.maxRetriesPerRequest === null,
          // A command under way when its node went may have run: it fails rather than be sent again.
          // One refused because its slot moves, or nobody serves it yet, has not.
          retryDelayOnFailover: 0,
          retryDelayOnClusterDown: 200,
          maxRedirections: 16,
        });
  // Without a listener ioredis prints to the console; each outage is logged once per try.
  redis.on('error', (error: Error) => logger.warn({ err: error.message, name }, 'redis error'));
  return redis;
}

/** Nodes found by way of the first have its user and password; a cluster has one set of both. */
function credentials(text: string): RedisOptions {
  const url = new URL(text);
  return {
    ...(url.username === '' ? {} : { username: decodeURIComponent(url.username) }),
    ...(url.password === '' ? {} : { password: decodeURIComponent(url.password) }),
    ...(url.protocol === 'rediss:' ? { tls: {} } : {}),
  };
}
