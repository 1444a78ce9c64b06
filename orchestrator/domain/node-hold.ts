import type { NodeSettings } from '@karst/shared/protocol/node-settings.ts';
import { scheduleText } from '@karst/shared/schedule/schedule-text.ts';
import { isWithinSchedule } from '@karst/shared/schedule/within-schedule.ts';

/** What an operator's drain of a node says. now: running leases are given back at once. */
export type Drain = 'no' | 'soft' | 'now';

/** Why a node gets no work, and whether what it runs is to be given back at once. */
export interface NodeHold {
  reason: string;
  hard: boolean;
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
