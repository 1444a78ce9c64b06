import http from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import type { TestStorage } from './storage.ts';

/** What the proxy may do to a request instead of passing it on. Bytes are of the body. */
export type StorageFault =
  /** An S3 error of the proxy's own; nothing reaches storage. */
  | { kind: 'refuse'; status: number; code: string }
  /** The connection is reset when so much of the answer went out. */
  | { kind: 'cut answer'; afterBytes: number }
  /** The connection is reset when so much of the request came in; storage never sees the rest. */
  | { kind: 'cut request'; afterBytes: number }
  /** Storage does what it is asked, and nobody hears of it. */
  | { kind: 'lose answer' }
  /** A shorter answer that looks whole. */
  | { kind: 'truncate'; toBytes: number }
  | { kind: 'delay'; ms: number }
  /** A slow line: the answer in pieces of 16 KiB, so long between them. */
  | { kind: 'throttle'; pauseMs: number }
  /** No answer, ever. */
  | { kind: 'silence' };

export interface SeenStorageRequest {
  method: string;
  /** Path without the bucket. */
  key: string;
  query: URLSearchParams;
  range: string | undefined;
}

export type FaultRule = (request: SeenStorageRequest) => StorageFault | undefined;

const PIECE_BYTES = 16 * 1024;

/**
 * A proxy between the parts of a farm and their S3 endpoint. It passes everything on, Host header
 * included, so that signatures hold, and does to some requests what the test's rule says.
 */
export class StorageFaults {
  /** Of every request that came, whatever became of it. */
  readonly seen: SeenStorageRequest[] = [];
  rule: FaultRule = () => undefined;
  /** Of answers' bodies, passed on so far. */
  passedBytes = 0;
  readonly #target: URL;
  readonly #server: http.Server;
  readonly #agent = new http.Agent({ keepAlive: true });

  private constructor(target: URL) {
    this.#target = target;
    this.#server = http.createServer((request, response) => {
      this.#serve(request, response).catch(() => response.destroy());
    });
  }

  /** The same storage, to be reached through a proxy. */
  static async before(storage: TestStorage): Promise<TestStorage & { faults: StorageFaults }> {
    const faults = new StorageFaults(new URL(storage.endpoint));
    await new Promise<void>((resolve) => faults.#server.listen(0, '127.0.0.1', resolve));
    const address = faults.#server.address();
    if (address === null || typeof address === 'string') throw new Error('not listening');
    return {
      ...storage,
      endpoint: `http://127.0.0.1:${address.port}`,
      faults,
      async stop() {
        faults.#server.closeAllConnections();
        faults.#agent.destroy();
        await new Promise((resolve) => faults.#server.close(resolve));
        await storage.stop();
      },
    };
  }

  heal(): void {
    this.rule = () => undefined;
  }

  async #serve(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    request.on('error', () => undefined);
    response.on('error', () => undefined);
    const url = new URL(request.url ?? '/', this.#target);
    const seen: SeenStorageRequest = {
      method: request.method ?? '',
      key: decodeURIComponent(url.pathname.split('/').slice(2).join('/')),
      query: url.searchParams,
      range: request.headers.range,
    };
    this.seen.push(seen);
    const fault = this.rule(seen);
    switch (fault?.kind) {
      case 'refuse':
        request.resume();
        response.writeHead(fault.status, { 'content-type': 'application/xml' });
        response.end(`<Error><Code>${fault.code}</Code><Message>by the test</Message></Error>`);
        return;
      case 'silence':
        request.resume();
        return;
      case 'cut request':
        return this.#cutRequest(request, fault.afterBytes);
      case 'delay':
        await pause(fault.ms);
    }
    const answer = await this.#forward(request);
    if (fault?.kind === 'lose answer') {
      answer.resume();
      response.destroy();
      return;
    }
    await this.#passOn(answer, response, fault);
  }

  async #cutRequest(request: http.IncomingMessage, afterBytes: number): Promise<void> {
    let bytes = 0;
    for await (const chunk of request) {
      bytes += chunk.length;
      if (bytes >= afterBytes) break;
    }
    request.socket.resetAndDestroy();
  }

  #forward(request: http.IncomingMessage): Promise<http.IncomingMessage> {
    return new Promise((resolve, reject) => {
      const forwarded = http.request({
        host: this.#target.hostname,
        port: this.#target.port,
        method: request.method,
        path: request.url,
        headers: request.headers,
        agent: this.#agent,
      });
      forwarded.on('response', resolve);
      forwarded.on('error', reject);
      request.on('close', () => request.complete || forwarded.destroy());
      request.pipe(forwarded);
    });
  }

  async #passOn(
    answer: http.IncomingMessage,
    response: http.ServerResponse,
    fault: StorageFault | undefined,
  ): Promise<void> {
    const headers = { ...answer.headers };
    const whole = Number(headers['content-length'] ?? 0);
    const toBytes = fault?.kind === 'truncate' ? Math.min(fault.toBytes, whole) : undefined;
    if (toBytes !== undefined) headers['content-length'] = String(toBytes);
    response.writeHead(answer.statusCode ?? 502, headers);
    const endBytes = fault?.kind === 'cut answer' ? fault.afterBytes : (toBytes ?? Infinity);
    let sent = 0;
    for await (const chunk of answer) {
      const pieceBytes = fault?.kind === 'throttle' ? PIECE_BYTES : chunk.length;
      for (let at = 0; at < chunk.length; at += pieceBytes) {
        const piece: Buffer = chunk.subarray(at, at + pieceBytes).subarray(0, endBytes - sent);
        sent += piece.length;
        this.passedBytes += piece.length;
        if (!response.write(piece)) await drained(response);
        if (fault?.kind === 'throttle') await pause(fault.pauseMs);
        if (sent >= endBytes) break;
      }
      if (sent >= endBytes) break;
    }
    if (fault?.kind === 'cut answer') response.socket?.resetAndDestroy();
    else response.end();
  }
}

const drained = (response: http.ServerResponse) =>
  new Promise<void>((resolve) => {
    const done = () => {
      response.off('drain', done);
      response.off('close', done);
      resolve();
    };
    response.on('drain', done);
    response.on('close', done);
  });

/** The given faults, one request each, for the requests `match` is about; then none. */
export function inTurn(
  match: (request: SeenStorageRequest) => boolean,
  ...faults: readonly StorageFault[]
): FaultRule & { left: StorageFault[] } {
  const left = [...faults];
  const rule = (request: SeenStorageRequest) => (match(request) ? left.shift() : undefined);
  return Object.assign(rule, { left });
}
