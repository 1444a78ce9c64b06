import { jobIdSchema, leaseIdSchema, nodeIdSchema } from '@karst/shared/protocol/ids.ts';
import type { Logger } from 'pino';
import { z } from 'zod';
import type { Redis } from '../store/connection.ts';
import { keys } from '../store/keys.ts';

const wakeSchema = z.discriminatedUnion('kind', [
  /** A step has spans, or may have them now. */
  z.object({ kind: z.literal('step'), jobId: jobIdSchema, step: z.int() }),
  /** Leases of a node ended early, or it is to drain: its parked call should be answered. */
  z.object({ kind: z.literal('node'), nodeId: nodeIdSchema, lost: z.array(leaseIdSchema) }),
  /** Counters that were full have room. */
  z.object({ kind: z.literal('gates'), names: z.array(z.string()) }),
  /** Settings of the farm changed. */
  z.object({ kind: z.literal('settings') }),
  /** What leases of the sender's were charged, core-seconds, and how many began or ended. */
  z.object({
    kind: z.literal('usage'),
    charges: z.array(
      z.object({
        studio: z.string(),
        project: z.string(),
        cost: z.number(),
        leases: z.number(),
      }),
    ),
  }),
]);
export type Wake = z.infer<typeof wakeSchema>;

const envelopeSchema = z.object({ from: z.string(), wake: wakeSchema });

/**
 * Tells every replica that something may be done now. Messages are hints: the refresh pass finds what
 * a lost one would have told.
 */
export class WakeBus {
  private readonly redis: Redis;
  private readonly subscriber: Redis;
  private readonly replicaId: string;
  private readonly logger: Logger;
  private listener: (wake: Wake) => void = () => undefined;

  constructor(redis: Redis, subscriber: Redis, replicaId: string, logger: Logger) {
    this.redis = redis;
    this.subscriber = subscriber;
    this.replicaId = replicaId;
    this.logger = logger;
  }

  async start(listener: (wake: Wake) => void): Promise<void> {
    this.listener = listener;
    this.subscriber.on('message', (channel: string, text: string) => {
      if (channel === keys.wakeChannel()) this.receive(text);
    });
    await this.subscriber.subscribe(keys.wakeChannel());
  }

  /** Wakes this replica at once and the others through Redis. */
  send(wake: Wake): void {
    this.listener(wake);
    this.tellOthers(wake);
  }

  /** Wakes the other replicas alone. */
  tellOthers(wake: Wake): void {
    const text = JSON.stringify({ from: this.replicaId, wake });
    this.redis.publish(keys.wakeChannel(), text).catch((error: Error) => {
      this.logger.warn({ err: error.message }, 'wake not published; the refresh pass will tell');
    });
  }

  private receive(text: string): void {
    const message = envelopeSchema.safeParse(safeJson(text));
    if (!message.success) {
      this.logger.warn('odd message on the wake channel');
      return;
    }
    if (message.data.from !== this.replicaId) this.listener(message.data.wake);
  }
}

function safeJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
