import http from 'node:http';
import https from 'node:https';
import { errnoCode, messageOf } from '../failure.ts';

/** No usable answer came: refused, reset, timed out. The same request may succeed later. */
export class NetworkError extends Error {
  override name = 'NetworkError';
  readonly code: string | undefined;

  constructor(message: string, code: string | undefined, cause?: unknown) {
    super(message, { cause });
    this.code = code;
  }
}

export interface HttpRequest {
  method: string;
  url: URL;
  headers?: Record<string, string>;
  /**
   * Chunks need a Content-Length header and can't be sent twice. Each is out of our hands before the
   * next is asked for, so that its memory can be used again.
   */
  body?: string | Buffer | AsyncIterable<Buffer>;
  signal?: AbortSignal | undefined;
  /** Fails when nothing moves on the connection for this long. Default: one minute. */
  idleMsMax?: number;
}

const SOCKETS_MAX = 64;
// Node leaves idle pooled sockets unreferenced, so they never keep the process alive.
const httpAgent = new http.Agent({ keepAlive: true, maxSockets: SOCKETS_MAX });
const httpsAgent = new https.Agent({ keepAlive: true, maxSockets: SOCKETS_MAX });

/** Sends one request; resolves with the answer once its head is here. Rejects with NetworkError. */
export async function sendHttp(request: HttpRequest): Promise<http.IncomingMessage> {
  request.signal?.throwIfAborted();
  const secure = request.url.protocol === 'https:';
  const idleMsMax = request.idleMsMax ?? 60_000;
  const outgoing = (secure ? https : http).request(request.url, {
    method: request.method,
    headers: request.headers,
    agent: secure ? httpsAgent : httpAgent,
    signal: request.signal,
    timeout: idleMsMax,
  });
  const answered = new Promise<http.IncomingMessage>((resolve, reject) => {
    outgoing.on('response', resolve);
    outgoing.on('error', reject);
    outgoing.on('timeout', () => {
      const seconds = Math.round(idleMsMax / 1000);
      outgoing.destroy(new NetworkError(`no answer for ${seconds} s`, 'ETIMEDOUT'));
    });
  });
  try {
    const sent = sendBody(outgoing, request.body);
    const answer = await Promise.race([answered, sent.then(() => answered)]);
    // A refusal may come while the body is still on its way: nobody wants the rest.
    if (!outgoing.writableFinished) answer.once('end', () => outgoing.destroy());
    return answer;
  } catch (error) {
    request.signal?.throwIfAborted();
    throw asNetworkError(error);
  }
}

async function sendBody(outgoing: http.ClientRequest, body: HttpRequest['body']) {
  if (body === undefined || typeof body === 'string' || Buffer.isBuffer(body)) {
    outgoing.end(body);
    return;
  }
  try {
    for await (const chunk of body) await sendChunk(outgoing, chunk);
    outgoing.end();
  } catch (error) {
    outgoing.destroy();
    throw error;
  }
}

/** Done when the chunk has gone to the system. */
function sendChunk(outgoing: http.ClientRequest, chunk: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    // A request that ends before it has a connection calls nobody back.
    const onClose = () => reject(new NetworkError('the connection broke', 'ECONNRESET'));
    outgoing.once('close', onClose);
    outgoing.write(chunk, (error) => {
      outgoing.off('close', onClose);
      if (error) reject(error);
      else resolve();
    });
  });
}

/** Anything that a request itself fails with is the network's; our own errors carry no code. */
function asNetworkError(error: unknown): unknown {
  if (error instanceof NetworkError) return error;
  const code = errnoCode(error);
  if (code === undefined) return error;
  return new NetworkError(describe(code, error), code, error);
}

const BROKEN_ANSWER_CODES: ReadonlySet<string> = new Set([
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ERR_STREAM_PREMATURE_CLOSE',
]);

/** For errors while an answer is read into something else, whose own errors must not be mixed up. */
export function asBrokenAnswer(error: unknown): unknown {
  return BROKEN_ANSWER_CODES.has(errnoCode(error) ?? '') ? asNetworkError(error) : error;
}

function describe(code: string, error: unknown): string {
  switch (code) {
    case 'ECONNREFUSED':
      return 'connection refused';
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return 'its name is not known';
    case 'ECONNRESET':
    case 'EPIPE':
    case 'ERR_STREAM_PREMATURE_CLOSE':
      return 'the connection broke';
    case 'ETIMEDOUT':
      return 'no answer';
    default:
      return messageOf(error) || code;
  }
}

/** Reads a whole answer as text; refuses more than `bytesMax`. */
export async function readText(
  answer: http.IncomingMessage,
  bytesMax = 256 * 1024 * 1024,
): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of answer) {
      const buffer = Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk));
      bytes += buffer.length;
      if (bytes > bytesMax) {
        answer.destroy();
        throw new Error(`the answer has more than ${bytesMax} bytes`);
      }
      chunks.push(buffer);
    }
  } catch (error) {
    throw asNetworkError(error);
  }
  return Buffer.concat(chunks).toString('utf8');
}
