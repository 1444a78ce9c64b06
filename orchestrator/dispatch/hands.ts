import { newLeaseId } from '@karst/shared/protocol/ids.ts';
import type { Resources } from '@karst/shared/protocol/lease.ts';
import type { Random } from '@karst/shared/random.ts';
import type { Offer } from '../queue/offer.ts';
import type { SpanQueue } from '../queue/span-queue.ts';
import type { Taken } from './avoided-spans.ts';
import type { RunnableStep } from './runnable-steps.ts';
import type { Ask } from './waiters.ts';

/** Calls of which it is remembered how many quick spans they took at once. */
const CALLS_REMEMBERED = 15;

/** An offer taken from the queue, with its lock token. */
type TakenOffer = Offer & { token: string };

/** What a call has taken from a step's queue. */
export interface Hand {
  taken: Taken[];
  /** Where they came from: to be finished before anything is granted. */
  offers: TakenOffer[];
  /** Spans that came with them, and are more than the node has room for. */
  over: number[];
}

/** Spans granted in one call of a script: a node that has room for more gets them in several. */
const SPANS_PER_CALL_MAX = 500;

export interface HandsParts {
  queue: SpanQueue;
  random: Random;
  /** Told when spans wait again that were taken with others, and calls may have looked in vain. */
  leftOver(step: RunnableStep): void;
}

/**
 * Takes offers of spans from a step's queue for one node. Spans that are over soon come several to an
 * offer, so a node may get more than it has room for: the rest goes back, first in line.
 */
export class Hands {
  private readonly parts: HandsParts;
  /** How many quick spans each of the last few calls took, of whatever step. */
  private readonly lately: number[] = [];

  constructor(parts: HandsParts) {
    this.parts = parts;
  }

  /** As many quick spans as calls took at once of late: the median, 1 while few have. */
  takenAtOnce(): number {
    if (this.lately.length < CALLS_REMEMBERED) return 1;
    return this.lately.toSorted((a, b) => a - b)[(CALLS_REMEMBERED - 1) / 2] ?? 1;
  }

  /** Spans from the queue, each with what it reserves of the node. */
  async take(step: RunnableStep, { node }: Ask, wanted: number): Promise<Hand> {
    const room = Math.min(wanted, SPANS_PER_CALL_MAX);
    const expected = Math.max(1, Math.min(room, step.buffered));
    const reserved: (Resources | undefined)[] = [];
    const reserve = (count: number) => {
      while (reserved.length < count && node.free.fits(step.shape)) {
        reserved.push(node.free.take(step.shape));
      }
    };
    reserve(expected);
    const tried = reserved.length;
    step.buffered = Math.max(step.buffered - tried, 0);
    const offers = await this.offersFor(step, tried);
    const spanIds = offers.flatMap((offer) => offer.spanIds);
    // Other replicas make offers too, of their own size.
    step.offerSpans = Math.round(offerSpansOf(offers, step.offerSpans));
    // What came with them is taken too, where there is room.
    reserve(Math.min(room, spanIds.length));
    const unused = reserved.splice(spanIds.length);
    for (const resources of unused) if (resources !== undefined) node.free.giveBack(resources);
    const taken = reserved.map((resources, i): Taken => {
      const leaseId = newLeaseId(this.parts.random);
      return { spanId: spanIds[i] ?? 0, leaseId, resources };
    });
    // A hint that says too little must not be taken for a node that wants little.
    const isAll = taken.length > expected || expected === room || tried < expected;
    if (step.isQuick && isAll && taken.length > 0) {
      this.lately.push(taken.length);
      if (this.lately.length > CALLS_REMEMBERED) this.lately.shift();
    }
    if (spanIds.length < tried) step.buffered = 0;
    else step.buffered = Math.max(step.buffered - (spanIds.length - tried), 0);
    return { taken, offers, over: spanIds.slice(taken.length) };
  }

  /** Offers with so many spans or more, or all there are. */
  private async offersFor(step: RunnableStep, spans: number): Promise<TakenOffer[]> {
    const offers: TakenOffer[] = [];
    const left = () => spans - spanCount(offers);
    try {
      while (left() > 0) {
        // Rather one look more than spans that go back: the last offer may be larger than thought.
        const tries = Math.max(1, Math.floor(left() / offerSpansOf(offers, step.offerSpans)));
        const before = offers.length;
        await this.takeOffers(step, tries, offers);
        if (offers.length < before + tries) break;
      }
    } catch (error) {
      // The reconcile pass offers again what was taken.
      step.inHand -= spanCount(offers);
      throw error;
    }
    return offers;
  }

  /** Takes `count` offers if there are as many, each into `offers` as soon as it is taken. */
  private async takeOffers(step: RunnableStep, count: number, offers: TakenOffer[]): Promise<void> {
    const tries = await Promise.allSettled(
      Array.from({ length: count }, async () => {
        const token = this.parts.random.uuid();
        const offer = await this.parts.queue.take(step, token);
        if (offer === undefined) return;
        offers.push({ ...offer, token });
        // At once: who looks next must know that these may yet be left over.
        step.inHand += offer.spanIds.length;
      }),
    );
    for (const tried of tries) if (tried.status === 'rejected') throw tried.reason;
  }

  /** Ends the offers. What they held waits nowhere then, until it is granted or put back. */
  async finish(step: RunnableStep, offers: readonly TakenOffer[]): Promise<void> {
    await Promise.all(offers.map(({ id, token }) => this.parts.queue.finish(step, id, token)));
  }

  /** Spans that came with others and are more than the node has room for go to the next. */
  async leaveOver(step: RunnableStep, { offers, over }: Hand): Promise<void> {
    if (over.length === 0) return;
    const largest = Math.max(...offers.map(({ spanIds }) => spanIds.length));
    await this.parts.queue.putBack(step, over, largest);
    step.buffered += over.length;
    this.parts.leftOver(step);
  }
}

/** Spans in each of the offers on average, 1 at least; without any, what was thought before. */
function offerSpansOf(offers: readonly Offer[], before: number): number {
  if (offers.length === 0) return before;
  return spanCount(offers) / offers.length;
}

const spanCount = (offers: readonly Offer[]): number =>
  offers.reduce((sum, { spanIds }) => sum + spanIds.length, 0);
