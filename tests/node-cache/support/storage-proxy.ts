import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What a client asked storage for. */
export interface Asked {
  path: string;
  range: string | undefined;
  /** Of the answer's body, sent on so far. */
  bytes: number;
}

/** An HTTP proxy before storage that tells what is asked for, and can break answers off. */
export class StorageProxy {
  readonly asked: Asked[] = [];
  /** Bytes of answers until a connection is cut; then never again. */
  cutAfterBytes = Number.POSITIVE_INFINITY;
  /** Bytes of answers until a connection falls silent and stays open; then never again. */
  silentAfterBytes = Number.POSITIVE_INFINITY;
  /** Answers wait while set. */
  held: Promise<void> | undefined;
  #target: URL | undefined;
  readonly #server = createServer((incoming, outgoing) => void this.#pass(incoming, outgoing));

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async listen(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return this;
  }

  forward(endpoint: string): void {
    this.#target = new URL(endpoint);
  }

  /** Bytes sent on of answers to GETs. */
  get bytes(): number {
    return this.asked.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #pass(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const { method = 'GET', url = '/', headers } = incoming;
    const asked: Asked = { path: url.split('?')[0] ?? '', range: headers.range, bytes: 0 };
    if (method === 'GET') this.asked.push(asked);
    await this.held;
    const { hostname, port } = this.#target ?? new URL('http://127.0.0.1');
    const onward = request({ hostname, port, method, path: url, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.on('data', (chunk: Buffer) => {
        this.cutAfterBytes -= chunk.length;
        if (this.cutAfterBytes < 0) {
          this.cutAfterBytes = Number.POSITIVE_INFINITY;
          answer.destroy();
          outgoing.destroy();
          return;
        }
        this.silentAfterBytes -= chunk.length;
        if (this.silentAfterBytes < 0) {
          this.silentAfterBytes = Number.POSITIVE_INFINITY;
          answer.destroy();
          return;
        }
        asked.bytes += chunk.length;
        if (!outgoing.write(chunk)) answer.pause();
      });
      outgoing.on('drain', () => answer.resume());
      answer.on('end', () => outgoing.end());
    });
    onward.on('error', () => outgoing.destroy());
    outgoing.on('close', () => onward.destroy());
    incoming.pipe(onward);
  }
}
