import { sleep } from '@karst/shared/clock.ts';
import type { Random } from '@karst/shared/random.ts';
import { err, type Result } from '@karst/shared/result.ts';
import { Backoff } from './backoff.ts';
import type { CallFailure } from './orchestrator-client.ts';

/** Why persist gave up: the last failure, or that the lease ended meanwhile. */
export type GivenUp = CallFailure | { kind: 'aborted'; message: string };

/**
 * Repeats a call until it is answered with something other than a passing trouble (no connection,
 * a retryable problem), or `signal` aborts. The lease's life is the limit, so there is no other.
 */
export async function persist<T>(
  call: () => Promise<Result<T, CallFailure>>,
  random: Random,
  signal: AbortSignal,
): Promise<Result<T, GivenUp>> {
  const backoff = new Backoff(random);
  for (;;) {
    if (signal.aborted) return err({ kind: 'aborted', message: 'the lease has ended' });
    const answer = await call();
    if (answer.ok || !passing(answer.error)) return answer;
    await sleep(backoff.nextMs(5000), signal).catch(() => undefined);
  }
}

const passing = (failure: CallFailure): boolean =>
  failure.kind === 'unreachable' || failure.retryable || failure.code === 'unauthenticated';
