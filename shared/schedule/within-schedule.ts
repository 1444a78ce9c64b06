import { type DayName, dayNames, dayNumber, type Schedule } from '../protocol/schedule.ts';

const minuteMs = 60_000;

interface LocalTime {
  /** 0: Monday. */
  day: number;
  /** Since local midnight, by the wall clock. */
  minute: number;
}

/** Making a formatter costs some 50 µs, using one a few. */
const formatters = new Map<string, Intl.DateTimeFormat>();

function formatterOf(timezone: string): Intl.DateTimeFormat {
  const known = formatters.get(timezone);
  if (known !== undefined) return known;
  const made = new Intl.DateTimeFormat('en-US', {
    timeZone: timezone,
    weekday: 'short',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  });
  formatters.set(timezone, made);
  return made;
}

function localTime(timezone: string, nowMs: number): LocalTime {
  const parts = formatterOf(timezone).formatToParts(nowMs);
  const read = (type: Intl.DateTimeFormatPartTypes) =>
    parts.find((part) => part.type === type)?.value ?? '';
  const name = read('weekday').toLowerCase();
  return {
    day: dayNumber(name),
    minute: 60 * Number(read('hour')) + Number(read('minute')),
  };
}

const minuteOf = (time: string): number => 60 * Number(time.slice(0, 2)) + Number(time.slice(3, 5));

const holds = (days: readonly DayName[], day: number): boolean => {
  const name = dayNames[(day + 7) % 7];
  return name !== undefined && days.includes(name);
};

/**
 * Whether a moment (ms since 1970) lies in one of the schedule's windows, by the wall clock of its time
 * zone: a window that names an hour which a change of the clocks skips is shorter that day, one that
 * names an hour which comes twice is longer.
 */
export function isWithinSchedule(schedule: Schedule, nowMs: number): boolean {
  const { day, minute } = localTime(schedule.timezone, nowMs);
  return schedule.windows.some(({ days, from, to }) => {
    const start = minuteOf(from);
    const end = minuteOf(to);
    if (start < end) return holds(days, day) && start <= minute && minute < end;
    return (holds(days, day) && minute >= start) || (holds(days, day - 1) && minute < end);
  });
}

/**
 * In how many ms the schedule opens or closes, if within `horizonMs`; else `horizonMs`. Looks at whole
 * minutes only, as every time zone's clock turns over at them: cost O(minutes of the horizon).
 */
export function untilScheduleChangeMs(
  schedule: Schedule,
  nowMs: number,
  horizonMs: number,
): number {
  const now = isWithinSchedule(schedule, nowMs);
  const first = Math.floor(nowMs / minuteMs + 1) * minuteMs;
  for (let atMs = first; atMs < nowMs + horizonMs; atMs += minuteMs) {
    if (isWithinSchedule(schedule, atMs) !== now) return atMs - nowMs;
  }
  return horizonMs;
}
