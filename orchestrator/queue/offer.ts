/** Consecutive spans of a step that wait on its queue as one BullMQ job: taken together. */
export interface Offer {
  /** The BullMQ job's. */
  id: string;
  /** In the order in which they go. */
  spanIds: number[];
}

/** BullMQ takes no integers as job ids. One span alone has always the same. */
export const offerId = (first: number, last = first) =>
  first === last ? `s${first}` : `s${first}-${last}`;

/** The spans that a BullMQ job's id names. */
export function offerOf(id: string): Offer {
  const [first = 0, last = first] = id.slice(1).split('-').map(Number);
  return { id, spanIds: Array.from({ length: last - first + 1 }, (_, i) => first + i) };
}

/** Offers of at most `spansMax` spans, in the order given. Only spans whose ids follow each other share one. */
export function offersOf(spanIds: readonly number[], spansMax: number): Offer[] {
  const offers: Offer[] = [];
  let run: number[] = [];
  const close = () => {
    const [first, last] = [run[0], run.at(-1)];
    if (first !== undefined && last !== undefined) {
      offers.push({ id: offerId(first, last), spanIds: run });
    }
    run = [];
  };
  for (const spanId of spanIds) {
    if (run.length >= spansMax || spanId !== (run.at(-1) ?? spanId - 1) + 1) close();
    run.push(spanId);
  }
  close();
  return offers;
}
