import { type Clock, sleep } from '@karst/shared/clock.ts';
import type { Logger } from 'pino';
import type { Metrics } from '../metrics/metrics.ts';

/**
 * A background pass: takes no input, is idempotent, runs every `periodMs` and when nudged. A failed
 * run is logged and left to the next one.
 */
export interface Pass {
  readonly name: string;
  readonly periodMs: number;
  runOnce(): Promise<void>;
}

/** Runs passes until stopped; each never overlaps itself in this process. */
export class PassDriver {
  private readonly clock: Clock;
  private readonly metrics: Metrics;
  private readonly logger: Logger;
  private readonly stopping = new AbortController();
  private readonly nudges = new Map<string, AbortController>();
  private readonly nudged = new Set<string>();
  private readonly loops: Promise<void>[] = [];

  constructor(clock: Clock, metrics: Metrics, logger: Logger) {
    this.clock = clock;
    this.metrics = metrics;
    this.logger = logger;
  }

  start(pass: Pass): void {
    this.loops.push(this.loop(pass));
  }

  /** Runs a pass soon: now if it sleeps, once more if it runs. */
  nudge(name: string): void {
    this.nudged.add(name);
    this.nudges.get(name)?.abort();
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await Promise.all(this.loops);
  }

  private async loop(pass: Pass): Promise<void> {
    while (!this.stopping.signal.aborted) {
      this.nudged.delete(pass.name);
      try {
        await pass.runOnce();
        this.metrics.passSucceeded(pass.name, this.clock.nowMs());
      } catch (error) {
        this.logger.warn(
          { err: String(error), pass: pass.name },
          'pass failed; next one will retry',
        );
      }
      if (!this.nudged.has(pass.name)) await this.rest(pass);
    }
  }

  private async rest(pass: Pass): Promise<void> {
    const nudge = new AbortController();
    this.nudges.set(pass.name, nudge);
    const signal = AbortSignal.any([nudge.signal, this.stopping.signal]);
    await sleep(pass.periodMs, signal).catch(() => undefined);
    this.nudges.delete(pass.name);
  }
}
