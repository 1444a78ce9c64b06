/** The one source of wall-clock and monotonic time. Everything else takes a Clock, so tests can own time. */
export interface Clock {
  /** Wall clock, milliseconds since the Unix epoch. Compare across machines only with an offset. */
  nowMs(): number;
  /** Monotonic milliseconds since an arbitrary origin; never jumps. Use it for deadlines and durations. */
  monotonicMs(): number;
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
};

/** A timer of Node holds 31 bits of milliseconds, 24.8 days, and rings at once when it is given more. */
const timerMsMax = 2 ** 31 - 1;

/** Waits `ms` milliseconds of real time; rejects with the signal's reason when it aborts first. */
export async function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  let leftMs = ms;
  for (; leftMs > timerMsMax; leftMs -= timerMsMax) await sleepOnce(timerMsMax, signal);
  await sleepOnce(leftMs, signal);
}

function sleepOnce(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    }, ms);
    const onAbort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}
