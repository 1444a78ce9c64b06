import { createHash } from 'node:crypto';
import { S3Error } from './errors.ts';
import { type ChunkVerifier, sha256Hex } from './sigv4.ts';

const lineBytesMax = 8192;

/** Pulls lines and runs of bytes out of a stream of buffers. */
class ByteReader {
  readonly #source: AsyncIterator<Buffer>;
  #held: Buffer = Buffer.alloc(0);

  constructor(source: AsyncIterable<Buffer>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** Lets go of the source, so that what is left of it can be drained. */
  async release(): Promise<void> {
    await this.#source.return?.();
  }

  async #pull(): Promise<Buffer> {
    const next = await this.#source.next();
    if (next.done) throw new S3Error('IncompleteBody', 'the chunked body ended too early');
    return next.value;
  }

  /** The next line without its CRLF. */
  async line(): Promise<string> {
    let end = this.#held.indexOf('\r\n');
    while (end < 0) {
      if (this.#held.length > lineBytesMax) {
        throw new S3Error('InvalidRequest', 'a chunk header is too long');
      }
      this.#held = Buffer.concat([this.#held, await this.#pull()]);
      end = this.#held.indexOf('\r\n');
    }
    const line = this.#held.toString('latin1', 0, end);
    this.#held = this.#held.subarray(end + 2);
    return line;
  }

  /** The next `sizeBytes` bytes, in whatever pieces they arrive. */
  async *bytes(sizeBytes: number): AsyncGenerator<Buffer> {
    for (let left = sizeBytes; left > 0; ) {
      if (this.#held.length === 0) this.#held = await this.#pull();
      const piece = this.#held.subarray(0, left);
      this.#held = this.#held.subarray(piece.length);
      left -= piece.length;
      yield piece;
    }
  }
}

async function readTrailers(reader: ByteReader, into: Map<string, string>): Promise<void> {
  for (let line = await reader.line(); line !== ''; line = await reader.line()) {
    const at = line.indexOf(':');
    if (at <= 0 || into.size >= 8) throw new S3Error('MalformedTrailerError');
    into.set(line.slice(0, at).toLowerCase(), line.slice(at + 1).trim());
  }
}

function verifyTrailers(trailers: Map<string, string>, verifier: ChunkVerifier): void {
  const signature = trailers.get('x-amz-trailer-signature');
  if (signature === undefined) {
    throw new S3Error('MalformedTrailerError', 'x-amz-trailer-signature is missing');
  }
  trailers.delete('x-amz-trailer-signature');
  const canonical = [...trailers].map(([name, value]) => `${name}:${value}\n`).join('');
  verifier.trailer(sha256Hex(canonical), signature);
}

type ChunkedOptions = {
  trailer: boolean;
  verifier?: ChunkVerifier | undefined;
  trailers: Map<string, string>;
};

/**
 * Yields the data of an aws-chunked body. A chunk's bytes come out before its signature is checked,
 * so the caller must not make them visible until this has ended; trailers are in `trailers` by then.
 */
export async function* decodeAwsChunked(
  source: AsyncIterable<Buffer>,
  options: ChunkedOptions,
): AsyncGenerator<Buffer> {
  const reader = new ByteReader(source);
  try {
    yield* decodeChunks(reader, options);
  } finally {
    await reader.release();
  }
}

async function* decodeChunks(reader: ByteReader, options: ChunkedOptions): AsyncGenerator<Buffer> {
  const { verifier, trailers } = options;
  for (;;) {
    const header = /^([0-9a-fA-F]{1,10})(?:;chunk-signature=([0-9a-f]{64}))?$/.exec(
      await reader.line(),
    );
    if (header?.[1] === undefined) throw new S3Error('InvalidRequest', 'malformed chunk header');
    const sizeBytes = Number.parseInt(header[1], 16);
    const hash = verifier && createHash('sha256');
    for await (const piece of reader.bytes(sizeBytes)) {
      hash?.update(piece);
      yield piece;
    }
    if (verifier && hash) verifier.chunk(hash.digest('hex'), header[2] ?? '');
    if (sizeBytes === 0) break;
    if ((await reader.line()) !== '') throw new S3Error('InvalidRequest', 'malformed chunk end');
  }
  await readTrailers(reader, trailers);
  if (options.trailer && verifier) verifyTrailers(trailers, verifier);
  if (!options.trailer && trailers.size > 0) throw new S3Error('MalformedTrailerError');
}
