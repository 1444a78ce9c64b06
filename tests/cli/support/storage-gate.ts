import http from 'node:http';

/** One request that reached storage through the gate. */
export interface PassedRequest {
  method: string;
  /** Path and query as sent. */
  url: string;
  bodyBytes: number;
}

/**
 * A real HTTP proxy between the CLI and storage: it counts what is sent, and can hold or refuse
 * requests by their URL.
 */
export class StorageGate {
  readonly passed: PassedRequest[] = [];
  /** Where requests go; the farm's storage, once that has started. */
  target = '';
  /** Such requests wait until they are released. */
  holds: (url: string) => boolean = () => false;
  #held: (() => void)[] = [];
  /** Such requests get this status and S3 code. */
  refuses: (url: string) => { status: number; code: string } | undefined = () => undefined;
  readonly #server: http.Server;
  readonly #agent = new http.Agent({ keepAlive: true });

  private constructor() {
    this.#server = http.createServer((request, response) => this.#pass(request, response));
  }

  static async start(): Promise<StorageGate> {
    const gate = new StorageGate();
    await new Promise<void>((resolve) => gate.#server.listen(0, '127.0.0.1', resolve));
    return gate;
  }

  get url(): string {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('not listening');
    return `http://127.0.0.1:${address.port}`;
  }

  /** Holds no more, and lets those go that it held. */
  release(): void {
    this.holds = () => false;
    for (const pass of this.#held.splice(0)) pass();
  }

  /** Body bytes that were passed on since the last time this was asked. */
  takeSentBytes(): number {
    return this.passed.splice(0).reduce((sum, { bodyBytes }) => sum + bodyBytes, 0);
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#agent.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #pass(request: http.IncomingMessage, response: http.ServerResponse): void {
    const { method = '', url = '', headers } = request;
    request.on('error', () => undefined);
    if (this.holds(url)) {
      this.#held.push(() => this.#pass(request, response));
      return;
    }
    const refusal = this.refuses(url);
    if (refusal !== undefined) {
      request.resume();
      response
        .writeHead(refusal.status, { 'content-type': 'application/xml' })
        .end(`<Error><Code>${refusal.code}</Code><Message>told to</Message></Error>`);
      return;
    }
    const passed = { method, url, bodyBytes: 0 };
    this.passed.push(passed);
    const onward = http.request(
      new URL(url, this.target),
      // The signature covers the Host that the client knows.
      { method, headers, agent: this.#agent, setHost: false },
      (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      },
    );
    onward.on('error', () => response.destroy());
    request.on('data', (chunk: Buffer) => {
      passed.bodyBytes += chunk.length;
    });
    request.pipe(onward);
    request.on('close', () => {
      if (!request.complete) onward.destroy();
    });
  }
}
