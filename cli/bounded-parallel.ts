/**
 * Calls `work` for every item, at most `parallelMax` at a time, in order of start. The first failure
 * aborts the signal given to the others, which are waited for, and is thrown.
 */
export async function boundedParallel<T>(
  items: Iterable<T> | AsyncIterable<T>,
  parallelMax: number,
  work: (item: T, signal: AbortSignal) => Promise<void>,
  outer?: AbortSignal,
): Promise<void> {
  const failure = new AbortController();
  const signal = outer ? AbortSignal.any([outer, failure.signal]) : failure.signal;
  const queue =
    Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : items[Symbol.iterator]();
  const lane = async () => {
    try {
      for (let next = await queue.next(); !next.done; next = await queue.next()) {
        signal.throwIfAborted();
        await work(next.value, signal);
      }
    } catch (error) {
      failure.abort(error);
      throw error;
    }
  };
  const lanes = await Promise.allSettled(Array.from({ length: parallelMax }, lane));
  outer?.throwIfAborted();
  if (failure.signal.aborted) throw failure.signal.reason;
  for (const result of lanes) if (result.status === 'rejected') throw result.reason;
}
