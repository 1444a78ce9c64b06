/** How much of a file is in memory at once for each request. */
export const CHUNK_BYTES = 512 * 1024;

const free: Buffer[] = [];

/**
 * Buffers of CHUNK_BYTES that are used again and again: thousands of fresh ones cost more time in the
 * collector than sending them does, and 100 MB.
 */
export const takeChunkBuffer = (): Buffer => free.pop() ?? Buffer.allocUnsafeSlow(CHUNK_BYTES);

/** Only once nobody reads it any more: not after a failed request, which may still be on its way. */
export const giveChunkBuffer = (buffer: Buffer): void => {
  free.push(buffer);
};
