import { readFileSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { isIP } from 'node:net';
import { sleep } from '@karst/shared/clock.ts';
import type { Logger } from 'pino';

export interface ListenConfig {
  host: string;
  /** 0: any free one. */
  port: number;
  /** PEM files; with them the server speaks HTTPS only. */
  tls?: { keyFile: string; certFile: string } | undefined;
  /** Plain HTTP beyond this machine is refused unless a proxy in front is known to speak TLS. */
  allowInsecureBind?: boolean | undefined;
}

export interface RunningServer {
  url: string;
  /**
   * Graceful end: no new connections, waiting calls answer at once, running ones get `drainMs`.
   * Idempotent.
   */
  close(drainMs?: number): Promise<void>;
}

/** Above the 60 s of common load balancers: they, not we, end idle connections. */
const KEEP_ALIVE_MS = 65_000;
/** For a whole request; the largest is a submission of 32 MB. */
const REQUEST_TIMEOUT_MS = 300_000;
const DRAIN_MS = 10_000;
const SWEEP_MS = 50;
const BACKLOG = 4096;

/**
 * Serves `app`. `shutdown` is aborted by close(), so that long polls and streams end by themselves.
 * Throws when the address is not loopback and neither TLS nor `allowInsecureBind` is given.
 */
export async function startServer(
  app: RequestListener,
  config: ListenConfig,
  shutdown: AbortController,
  logger: Logger,
): Promise<RunningServer> {
  if (config.tls === undefined && !config.allowInsecureBind && !isLoopback(config.host)) {
    throw new Error(
      `refusing plain HTTP on ${config.host}: API keys would cross the network in clear text. ` +
        'Give a TLS key and certificate, listen on 127.0.0.1 behind a proxy, or set KARST_ALLOW_INSECURE_BIND=1',
    );
  }
  const server = createHttpServer(app, config);
  await listen(server, config);
  const url = urlOf(server, config);
  logger.info({ url }, 'listening');

  let closed: Promise<void> | undefined;
  const close = async (drainMs: number) => {
    const ended = new Promise<void>((resolve) => server.close(() => resolve()));
    shutdown.abort();
    const done = new AbortController();
    const swept = closeAsTheyEnd(server, drainMs, done.signal, logger);
    await ended;
    done.abort();
    await swept;
  };
  return {
    url,
    close: (drainMs = DRAIN_MS) => {
      closed ??= close(drainMs);
      return closed;
    },
  };
}

/**
 * Connections that were busy when the server closed would stay open, idle, for the whole keep-alive
 * time: closes each soon after its request ended, and all of them after `drainMs`.
 */
async function closeAsTheyEnd(
  server: Server,
  drainMs: number,
  done: AbortSignal,
  logger: Logger,
): Promise<void> {
  for (let waitedMs = 0; waitedMs < drainMs; waitedMs += SWEEP_MS) {
    server.closeIdleConnections();
    await sleep(SWEEP_MS, done).catch(() => undefined);
    if (done.aborted) return;
  }
  logger.warn({ drainMs }, 'requests still running after the drain time are cut off');
  server.closeAllConnections();
}

function createHttpServer(app: RequestListener, { tls }: ListenConfig): Server {
  const options = {
    keepAliveTimeout: KEEP_ALIVE_MS,
    headersTimeout: KEEP_ALIVE_MS + 1000,
    requestTimeout: REQUEST_TIMEOUT_MS,
  };
  if (tls === undefined) return createServer(options, app);
  return createTlsServer(
    {
      ...options,
      key: readFileSync(tls.keyFile),
      cert: readFileSync(tls.certFile),
      minVersion: 'TLSv1.2',
    },
    app,
  );
}

function listen(server: Server, { host, port }: ListenConfig): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port, backlog: BACKLOG }, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

function urlOf(server: Server, config: ListenConfig): string {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  const host = address.family === 'IPv6' ? `[${address.address}]` : address.address;
  return `${config.tls === undefined ? 'http' : 'https'}://${host}:${address.port}`;
}

const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
