import { mkdir } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Clock } from '@karst/shared/clock.ts';
import { sleep } from '@karst/shared/clock.ts';
import type { Random } from '@karst/shared/random.ts';
import { BlobStore } from './blobs.ts';
import { makeBucket } from './bucket-operations.ts';
import { asS3Error, S3Error } from './errors.ts';
import { type Store, sendXml } from './exchange.ts';
import { Index } from './index-db.ts';
import { isReferenced } from './objects.ts';
import { parseRequest } from './request.ts';
import { operationOf } from './routes.ts';
import { authenticate, type Credentials } from './sigv4.ts';
import { xmlDocument } from './xml.ts';

/** A connection that moves nothing for this long is dropped, with whatever it was uploading. */
const idleMsMax = 120_000;
const closeGraceMs = 5_000;

export type LocalS3Options = {
  /** Folder for index and blobs; made when missing, locked while open. */
  dir: string;
  credentials: Credentials;
  clock: Clock;
  random: Random;
  /** Buckets made at start when missing. */
  buckets?: readonly string[];
  /** Told of faults that are ours, not the client's. Default: one JSON line on stderr each. */
  onFault?: (error: unknown, requestId: string) => void;
};

export type LocalS3 = {
  /** Opens the folder, sweeps leftovers and listens on 127.0.0.1 (0 = any port); resolves to the port. */
  listen(port: number): Promise<number>;
  /** Lets running requests end for 5 s, then cuts them, and closes the folder. */
  close(): Promise<void>;
};

/** The HTTP server and the requests it is working on. */
type Running = { server: Server; active: Set<Promise<void>> };

function reportFault(error: unknown, requestId: string): void {
  const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.stderr.write(`${JSON.stringify({ event: 'fault', requestId, error: detail })}\n`);
}

/**
 * An S3 endpoint on a folder: path style, one set of credentials, every request signed, loopback only.
 *
 * On disk: `blobs/` holds immutable bytes under random names, `index.db` (SQLite) all that is known of
 * them. A write is: body to a new blob, verified, fsync of file and folder, then one transaction that
 * points the key at it, fsync, and only then 200; replaced blobs go last. So a crash at any moment
 * leaves the old object or the new one, whole and with its own metadata, and at worst an unclaimed blob
 * that the next start deletes. Completing a multipart upload and copying only write rows.
 *
 * Known differences from S3: any region is accepted, the copy of a multipart object keeps its ETag, and
 * versions, ACLs, tags, encryption, CORS and partNumber reads are refused by name (501).
 */
export function createLocalS3(options: LocalS3Options): LocalS3 {
  const onFault = options.onFault ?? reportFault;
  let running: (Running & { store: Store }) | undefined;
  return {
    async listen(port) {
      if (running) throw new Error('this local S3 endpoint is already listening');
      const store = await openStore(options);
      const started = createHttpServer(store, options.credentials, onFault);
      try {
        const chosen = await listening(started.server, port);
        running = { ...started, store };
        return chosen;
      } catch (error) {
        store.index.close();
        throw error;
      }
    },
    async close() {
      if (!running) return;
      const { server, active, store } = running;
      running = undefined;
      await closeServer(server);
      // A request whose connection is gone may still be on its way to the index.
      await Promise.all(active);
      store.index.close();
    },
  };
}

async function openStore(options: LocalS3Options): Promise<Store> {
  const { dir, clock, random } = options;
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const index = new Index(dir);
  try {
    const blobs = await BlobStore.open(dir, random, (blob) => isReferenced(index, blob));
    const store: Store = { index, blobs, clock, random };
    for (const bucket of options.buckets ?? []) {
      const known = index.one('SELECT 1 FROM bucket WHERE name = ?', bucket);
      if (!known) await makeBucket(store, bucket);
    }
    return store;
  } catch (error) {
    index.close();
    throw error;
  }
}

function createHttpServer(
  store: Store,
  credentials: Credentials,
  onFault: (error: unknown, requestId: string) => void,
): Running {
  const active = new Set<Promise<void>>();
  const serve = async (message: IncomingMessage, response: ServerResponse, waits: boolean) => {
    const requestId = store.random.uuid();
    response.setHeader('x-amz-request-id', requestId);
    response.setHeader('date', new Date(store.clock.nowMs()).toUTCString());
    try {
      const request = parseRequest(message, () => waits && response.writeContinue());
      const payload = authenticate(request, credentials, store.clock.nowMs());
      await operationOf(request)(store, { request, payload, response });
    } catch (error) {
      if (message.destroyed && !message.complete) return;
      const known = asS3Error(error);
      const clientLeft = response.destroyed || !response.writable;
      if ((!known || known.status === 507) && !clientLeft) onFault(error, requestId);
      sendError(message, response, known ?? new S3Error('InternalError'), requestId);
    }
  };
  const server = createServer({ requestTimeout: 0, keepAliveTimeout: 65_000 });
  server.timeout = idleMsMax;
  const track = (message: IncomingMessage, response: ServerResponse, waits: boolean) => {
    const done = serve(message, response, waits).finally(() => active.delete(done));
    active.add(done);
  };
  server.on('request', (message, response) => track(message, response, false));
  server.on('checkContinue', (message, response) => track(message, response, true));
  return { server, active };
}

function sendError(
  message: IncomingMessage,
  response: ServerResponse,
  error: S3Error,
  requestId: string,
): void {
  if (response.headersSent) {
    // Too late to say so in a status: cutting the connection tells the client its body is short.
    response.destroy();
    return;
  }
  for (const name of response.getHeaderNames()) {
    if (name !== 'x-amz-request-id' && name !== 'date') response.removeHeader(name);
  }
  for (const [name, value] of Object.entries(error.headers)) response.setHeader(name, value);
  // A client still sending must be heard out, or it sees a reset instead of this answer.
  message.resume();
  const body = xmlDocument(
    'Error',
    [
      ['Code', error.code],
      ['Message', error.message],
      ['Resource', message.url?.split('?')[0]],
      ['RequestId', requestId],
    ],
    false,
  );
  sendXml(response, body, error.status);
}

function listening(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      server.off('error', reject);
      const address = server.address();
      if (typeof address === 'object' && address) resolve(address.port);
      else reject(new Error('the server has no port'));
    });
  });
}

async function closeServer(server: Server): Promise<void> {
  const grace = new AbortController();
  const closed = new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
  // Connections that fall idle after close() would otherwise be kept alive.
  server.on('request', (_, response) => response.setHeader('connection', 'close'));
  server.closeIdleConnections();
  const patience = sleep(closeGraceMs, grace.signal).then(
    () => server.closeAllConnections(),
    () => undefined,
  );
  await closed;
  grace.abort();
  await patience;
}
