import { exitCodes } from './exit-codes.ts';
import { InterruptedError } from './failure.ts';

/**
 * Runs `work` with a signal that Ctrl-C aborts, its reason an InterruptedError. A second Ctrl-C ends
 * the process at once, in case `work` does not come to an end.
 */
export async function withInterrupt<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const onSigint = () => {
    if (controller.signal.aborted) process.exit(exitCodes.interrupted);
    controller.abort(new InterruptedError());
  };
  process.on('SIGINT', onSigint);
  try {
    return await work(controller.signal);
  } catch (error) {
    // Whatever the abort broke on its way, Ctrl-C is why.
    if (controller.signal.aborted) throw controller.signal.reason;
    throw error;
  } finally {
    process.off('SIGINT', onSigint);
  }
}
