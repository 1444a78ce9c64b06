import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

const collectEveryBytes = 16 * 1024 * 1024;

let collect: (() => void) | undefined;
let passedBytes = 0;

/**
 * To be told of bytes that came in fresh buffers and are done with. Each buffer of 64 KiB hangs on an
 * object of a few bytes, so the collector sees no reason to hurry: 70 MB of dead ones lie about at full
 * speed. Collecting the young objects each 16 MiB (about a millisecond) leaves a third of that.
 */
export function passedBuffers(bytes: number): void {
  passedBytes += bytes;
  if (passedBytes < collectEveryBytes) return;
  passedBytes = 0;
  collect ??= youngCollector();
  collect();
}

/** Node offers its collector behind a flag only, which may be set while it runs. */
function youngCollector(): () => void {
  setFlagsFromString('--expose-gc');
  const gc: unknown = runInNewContext('gc');
  setFlagsFromString('--no-expose-gc');
  return () => {
    if (typeof gc === 'function') gc({ type: 'minor' });
  };
}
