import { connect, type Socket } from 'node:net';

/**
 * One keep-alive HTTP/1.1 connection that sends a JSON POST at a time. node:http would take most of
 * the load generator's core, and with it the figures; the bytes on the wire are the same.
 */
export class LeanConnection {
  private readonly socket: Socket;
  private readonly host: string;
  private received = '';
  private pending: { resolve(body: string): void; reject(error: Error): void } | undefined;

  constructor(url: URL) {
    this.host = url.host;
    this.socket = connect({ host: url.hostname, port: Number(url.port), noDelay: true });
    this.socket.setEncoding('latin1');
    this.socket.on('data', (data: string) => this.onData(data));
    this.socket.on('error', (error) => this.fail(error));
    this.socket.on('close', () => this.fail(new Error('connection closed')));
  }

  post(path: string, token: string, body: string): Promise<string> {
    return new Promise((resolve, reject) => {
      this.pending = { resolve, reject };
      this.socket.write(
        `POST ${path} HTTP/1.1\r\nhost: ${this.host}\r\nauthorization: Bearer ${token}\r\n` +
          `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
      );
    });
  }

  close(): void {
    this.pending = undefined;
    this.socket.destroy();
  }

  private onData(data: string): void {
    this.received += data;
    const end = this.received.indexOf('\r\n\r\n');
    if (end < 0) return;
    const head = this.received.slice(0, end);
    const length = /\r\ncontent-length: (\d+)/i.exec(head)?.[1];
    if (length === undefined) {
      this.fail(new Error(`answer without a length: ${head.slice(0, 200)}`));
      return;
    }
    if (this.received.length < end + 4 + Number(length)) return;
    const body = this.received.slice(end + 4, end + 4 + Number(length));
    this.received = '';
    const { pending } = this;
    this.pending = undefined;
    if (/^HTTP\/1\.1 200 /.test(head)) pending?.resolve(body);
    else pending?.reject(new Error(`${head.split('\r\n')[0]}: ${body.slice(0, 300)}`));
  }

  private fail(error: Error): void {
    const { pending } = this;
    this.pending = undefined;
    pending?.reject(error);
  }
}
