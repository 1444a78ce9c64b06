import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import { ProblemError } from './handler.ts';

/** The client went away before its request was whole: nobody is left to answer. */
export class ClientGoneError extends Error {
  constructor() {
    super('the client closed the connection');
    this.name = 'ClientGoneError';
  }
}

/** How much of a too large body is read and dropped so that its sender reads our answer, as factor. */
const DISCARD_FACTOR = 2;

/**
 * Reads a JSON body of at most `bytesMax` bytes. An empty body reads as `{}`, so that what it lacks
 * is named field by field. Throws ProblemError invalid_request, payload_too_large or
 * unsupported_media_type.
 */
export async function readJsonBody(request: IncomingMessage, bytesMax: number): Promise<unknown> {
  const { headers } = request;
  const length = headers['content-length'];
  if (length === '0' || (length === undefined && headers['transfer-encoding'] === undefined)) {
    return {};
  }
  checkMediaType(headers['content-type'], headers['content-encoding']);
  const body = await readAll(request, bytesMax);
  if (body.length === 0) return {};
  if (!isUtf8(body)) throw new ProblemError('invalid_request', 'The body is not valid UTF-8.');
  try {
    return JSON.parse(body.toString('utf8'));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ProblemError('invalid_request', `The body is not valid JSON: ${reason}`);
  }
}

function checkMediaType(type: string | undefined, encoding: string | undefined): void {
  const mediaType = type?.split(';', 1)[0]?.trim().toLowerCase();
  if (mediaType !== 'application/json') {
    throw new ProblemError(
      'unsupported_media_type',
      `Found ${type === undefined ? 'no Content-Type' : `Content-Type "${type}"`}, expected application/json.`,
    );
  }
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity') {
    throw new ProblemError(
      'unsupported_media_type',
      `Found Content-Encoding "${encoding}", expected none.`,
    );
  }
}

const ignore = () => undefined;

function readAll(request: IncomingMessage, bytesMax: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const tooLarge = () =>
      reject(new ProblemError('payload_too_large', `The body has more than ${bytesMax} bytes.`));
    const onData = (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= bytesMax) chunks.push(chunk);
      else {
        chunks.length = 0;
        if (bytes > bytesMax * DISCARD_FACTOR) tooLarge();
      }
    };
    const onEnd = () => {
      // Listeners live as long as their request, which may wait for long; so would the body.
      request.off('data', onData).off('end', onEnd).off('error', onGone).off('close', onGone);
      request.on('error', ignore);
      if (bytes > bytesMax) tooLarge();
      else resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks, bytes));
    };
    const onGone = () => reject(new ClientGoneError());
    request.on('data', onData).on('end', onEnd).on('error', onGone).on('close', onGone);
  });
}
