import type { StudioId } from '@karst/shared/protocol/ids.ts';
import type { Redis } from './connection.ts';
import { keys } from './keys.ts';
import { asArray, asText } from './reply.ts';
import { loadScript } from './script.ts';

const touchScript = loadScript('touch_assets');
const condemnScript = loadScript('condemn_assets');
const confirmScript = loadScript('confirm_assets');
const clearScript = loadScript('clear_assets');

/** Hashes given to one Lua call. */
const HASHES_AT_ONCE = 1000;
/** How long storage takes a deletion once it was signed. */
export const DELETION_SECONDS = 30;
/** Clocks of replicas and storage may differ by so much. */
export const SKEW_MS = 60_000;
const CARRIED_OUT_MS = DELETION_SECONDS * 1000 + SKEW_MS;
/** How long a verdict stands. */
const CONDEMNED_MS = 5 * 60_000;

/** Input files nobody may touch until `untilMs`. */
export interface Verdict {
  hashes: string[];
  untilMs: number;
}

/**
 * Which input files were in use lately: asked for, uploaded or submitted. Kept by periods of `graceMs`,
 * the last three of them, so that what was touched within two graces is always known.
 */
export class AssetTouches {
  readonly graceMs: number;
  private readonly redis: Redis;

  constructor(redis: Redis, graceMs: number) {
    this.redis = redis;
    this.graceMs = graceMs;
  }

  /** Redis was emptied: nothing is touched until what was condemned before is gone, or is spared. */
  async forgot(studio: StudioId, nowMs: number): Promise<void> {
    await this.redis.set(keys.assetsQuiet(studio), nowMs + CARRIED_OUT_MS);
  }

  /** Answers those that are being taken away at this moment, and are not touched. */
  async touch(studio: StudioId, hashes: readonly string[], nowMs: number): Promise<string[]> {
    const barred: string[] = [];
    for (let from = 0; from < hashes.length; from += HASHES_AT_ONCE) {
      const reply = await touchScript.run(
        this.redis,
        {
          since_key: keys.assetsSince(studio),
          latest_key: keys.assetsLatest(studio),
          condemned_key: keys.assetsCondemned(studio),
          touched_key: keys.assetsTouched(studio, this.period(nowMs)),
          quiet_key: keys.assetsQuiet(studio),
        },
        { now_ms: nowMs, kept_ms: 3 * this.graceMs },
        hashes.slice(from, from + HASHES_AT_ONCE),
      );
      barred.push(...asArray(reply).map(asText));
    }
    return barred;
  }

  /**
   * Condemns those of at most 1000 files that were not touched since a grace before `roundMs`, the time
   * at which the round began that found nobody referring to them: at most a grace ago.
   */
  async condemn(
    studio: StudioId,
    hashes: readonly string[],
    at: { nowMs: number; roundMs: number; isDry: boolean },
  ): Promise<Verdict> {
    const { nowMs, roundMs, isDry } = at;
    const untilMs = nowMs + CONDEMNED_MS;
    if (nowMs - roundMs > this.graceMs) return { hashes: [], untilMs };
    const period = this.period(nowMs);
    const reply = await condemnScript.run(
      this.redis,
      {
        since_key: keys.assetsSince(studio),
        latest_key: keys.assetsLatest(studio),
        condemned_key: keys.assetsCondemned(studio),
        touched_key: keys.assetsTouched(studio, period),
        former_key: keys.assetsTouched(studio, period - 1),
        // At most two periods ago, the round being so young.
        oldest_key: keys.assetsTouched(studio, this.period(roundMs - this.graceMs)),
      },
      {
        now_ms: nowMs,
        known_since_ms: roundMs - this.graceMs,
        period_end_ms: (period + 1) * this.graceMs,
        until_ms: untilMs,
        dry: isDry ? 1 : 0,
      },
      hashes,
    );
    return { hashes: asArray(reply).map(asText), untilMs };
  }

  /** Those that the verdict still holds for, until `neededMs` at least. */
  async confirm(studio: StudioId, verdict: Verdict, neededMs: number): Promise<Set<string>> {
    const reply = await confirmScript.run(
      this.redis,
      { since_key: keys.assetsSince(studio), condemned_key: keys.assetsCondemned(studio) },
      { until_ms: verdict.untilMs, needed_ms: neededMs },
      verdict.hashes,
    );
    return new Set(asArray(reply).map(asText));
  }

  /** These are gone, for certain. */
  async clear(studio: StudioId, verdict: Verdict, gone: readonly string[]): Promise<void> {
    if (gone.length === 0) return;
    await clearScript.run(
      this.redis,
      { condemned_key: keys.assetsCondemned(studio) },
      { until_ms: verdict.untilMs },
      gone,
    );
  }

  private period(ms: number): number {
    return Math.floor(ms / this.graceMs);
  }
}
