import { setFlagsFromString } from 'node:v8';

/**
 * For processes that move bytes. Buffers of 64 to 256 KiB hang on objects of a few bytes: while the young
 * generation, which would grow to 32 MB, waits for its collection, hundreds of megabytes of them pile up.
 */
export function keepYoungGenerationSmall(): void {
  setFlagsFromString('--semi-space-growth-factor=1');
}
