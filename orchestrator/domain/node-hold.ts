import type { NodeSettings } from '@karst/shared/protocol/node-settings.ts';
import { scheduleText } from '@karst/shared/schedule/schedule-text.ts';
import { isWithinSchedule } from '@karst/shared/schedule/within-schedule.ts';
import { type NodeHealth, standing } from './node-health.ts';

/** What an operator's drain of a node says. now: running leases are given back at once. */
export type Drain = 'no' | 'soft' | 'now';

/** Why a node gets no work, and whether what it runs is to be given back at once. */
export interface NodeHold {
  reason: string;
  hard: boolean;
  /** It is for what the node failed. */
  quarantined?: boolean;
}

/** A quarantined node finishes what it runs; its failures are no reason to kill anything. */
export function quarantineHold(
  health: NodeHealth | undefined,
  nowMs: number,
): NodeHold | undefined {
  if (health?.quarantine === undefined || standing(health, nowMs) !== 'quarantined') {
    return undefined;
  }
  const { reason, untilMs } = health.quarantine;
  const until = new Date(untilMs).toISOString();
  return { reason: `quarantined until ${until}: ${reason}`, hard: false, quarantined: true };
}

/** Whether the farm holds work back from a node at a moment (ms since 1970); undefined: it doesn't. */
export function nodeHold(
  drain: Drain,
  { schedule, stop }: Pick<NodeSettings, 'schedule' | 'stop'>,
  nowMs: number,
): NodeHold | undefined {
  const closed = schedule !== undefined && !isWithinSchedule(schedule, nowMs);
  const hard = drain === 'now' || (closed && stop === 'hard');
  if (drain !== 'no') {
    const reason = drain === 'now' ? 'an operator stopped it' : 'an operator drains it';
    return { reason, hard };
  }
  return closed ? { reason: `outside its schedule (${scheduleText(schedule)})`, hard } : undefined;
}
