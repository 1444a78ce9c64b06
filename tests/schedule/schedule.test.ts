import {
  type DayName,
  dayNames,
  type Schedule,
  scheduleSchema,
} from '@karst/shared/protocol/schedule.ts';
import { parseSchedule, scheduleText } from '@karst/shared/schedule/schedule-text.ts';
import { isWithinSchedule, untilScheduleChangeMs } from '@karst/shared/schedule/within-schedule.ts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

const zones = ['UTC', 'Europe/Berlin', 'America/New_York', 'Asia/Kolkata', 'Pacific/Apia'];
const minuteMs = 60_000;
const dayMs = 86_400_000;

const time = fc
  .tuple(fc.nat(23), fc.nat(59))
  .map(([hour, minute]) => `${`${hour}`.padStart(2, '0')}:${`${minute}`.padStart(2, '0')}`);
const days = fc.subarray<DayName>([...dayNames], { minLength: 1 });
const window = fc.record({ days, from: time, to: time });
const schedule: fc.Arbitrary<Schedule> = fc.record({
  timezone: fc.constantFrom(...zones),
  windows: fc.array(window, { minLength: 1, maxLength: 4 }),
});
const moment = fc.integer({ min: Date.UTC(2024, 0, 1), max: Date.UTC(2028, 0, 1) });

const parsed = (text: string): Schedule => {
  const result = parseSchedule(text);
  if (!result.ok) throw new Error(result.error);
  return result.value;
};
const at = (text: string, iso: string) => isWithinSchedule(parsed(text), Date.parse(iso));

describe('a schedule', () => {
  it('holds over midnight into the morning after its days', () => {
    const nights = 'mon-fri 20:00-08:00 UTC';
    expect(at(nights, '2026-01-05T20:00:00Z')).toBe(true); // Monday
    expect(at(nights, '2026-01-05T19:59:59Z')).toBe(false);
    expect(at(nights, '2026-01-05T07:00:00Z')).toBe(false); // Sunday is none of its days
    expect(at(nights, '2026-01-10T07:59:59Z')).toBe(true); // Saturday, of Friday's night
    expect(at(nights, '2026-01-10T08:00:00Z')).toBe(false);
    expect(at(nights, '2026-01-10T20:00:00Z')).toBe(false);
    expect(at('sat-sun 00:00-00:00 UTC', '2026-01-10T23:59:59Z')).toBe(true);
    expect(at('sat-sun 00:00-00:00 UTC', '2026-01-12T00:00:00Z')).toBe(false);
  });

  it('follows the wall clock through both changes of the clocks', () => {
    const early = 'daily 02:00-04:00 Europe/Berlin';
    // 29 March 2026: 02:00 is followed by 03:00 at 01:00 UTC; the window is an hour short.
    expect(at(early, '2026-03-29T00:59:59Z')).toBe(false);
    expect(at(early, '2026-03-29T01:00:00Z')).toBe(true);
    expect(at(early, '2026-03-29T01:59:59Z')).toBe(true);
    expect(at(early, '2026-03-29T02:00:00Z')).toBe(false);
    // 25 October 2026: 02:00 to 03:00 comes twice, from 00:00 UTC on; it is an hour longer.
    expect(at(early, '2026-10-24T23:59:59Z')).toBe(false);
    expect(at(early, '2026-10-25T00:00:00Z')).toBe(true);
    expect(at(early, '2026-10-25T02:59:59Z')).toBe(true);
    expect(at(early, '2026-10-25T03:00:00Z')).toBe(false);
    // Overnight: the same wall clock, an hour more or less in between.
    const night = 'sat 20:00-08:00 Europe/Berlin';
    expect(at(night, '2026-03-29T05:59:59Z')).toBe(true);
    expect(at(night, '2026-03-29T06:00:00Z')).toBe(false);
    expect(at(night, '2026-10-25T06:59:59Z')).toBe(true);
    expect(at(night, '2026-10-25T07:00:00Z')).toBe(false);
  });

  it('and the schedule of its gaps share no moment and leave none out', () => {
    fc.assert(
      fc.property(fc.constantFrom(...zones), time, time, moment, (timezone, from, to, nowMs) => {
        fc.pre(from !== to);
        const all = [...dayNames];
        const open = { timezone, windows: [{ days: all, from, to }] };
        const shut = { timezone, windows: [{ days: all, from: to, to: from }] };
        expect(isWithinSchedule(open, nowMs)).not.toBe(isWithinSchedule(shut, nowMs));
      }),
    );
  });

  it('holds where any of its windows does', () => {
    fc.assert(
      fc.property(schedule, moment, ({ timezone, windows }, nowMs) => {
        const any = windows.some((one) => isWithinSchedule({ timezone, windows: [one] }, nowMs));
        expect(isWithinSchedule({ timezone, windows }, nowMs)).toBe(any);
      }),
    );
  });

  it('of UTC is what arithmetic says', () => {
    fc.assert(
      fc.property(window, moment, ({ days, from, to }, nowMs) => {
        const minutes = (text: string) => 60 * Number(text.slice(0, 2)) + Number(text.slice(3));
        const minute = Math.floor((nowMs % dayMs) / minuteMs);
        // 1 January 1970 was a Thursday.
        const nameOf = (offset: number) =>
          dayNames[(Math.floor(nowMs / dayMs) + 3 + offset + 7) % 7] ?? 'mon';
        const lastMinutes = minutes(to) <= minutes(from) ? minutes(to) + 1440 : minutes(to);
        const inDay = (offset: number) =>
          days.includes(nameOf(offset)) &&
          minute - 1440 * offset >= minutes(from) &&
          minute - 1440 * offset < lastMinutes;
        const expected = inDay(0) || inDay(-1);
        expect(isWithinSchedule({ timezone: 'UTC', windows: [{ days, from, to }] }, nowMs)).toBe(
          expected,
        );
      }),
      { numRuns: 500 },
    );
  });

  it('changes when it is said to, and not before', () => {
    fc.assert(
      fc.property(schedule, moment, (one, nowMs) => {
        const horizonMs = 6 * 60 * minuteMs;
        const ms = untilScheduleChangeMs(one, nowMs, horizonMs);
        expect(ms).toBeGreaterThan(0);
        expect(ms).toBeLessThanOrEqual(horizonMs);
        const now = isWithinSchedule(one, nowMs);
        expect(isWithinSchedule(one, nowMs + ms - 1)).toBe(now);
        if (ms < horizonMs) expect(isWithinSchedule(one, nowMs + ms)).not.toBe(now);
      }),
      { numRuns: 50 },
    );
  });

  it('is read from text as it is written', () => {
    fc.assert(
      fc.property(schedule, (one) => {
        expect(parsed(scheduleText(one))).toEqual(one);
      }),
    );
    expect(parsed('fri-mon 20:00-08:00, wed,thu 21:00-22:00 Europe/Berlin')).toEqual({
      timezone: 'Europe/Berlin',
      windows: [
        { days: ['mon', 'fri', 'sat', 'sun'], from: '20:00', to: '08:00' },
        { days: ['wed', 'thu'], from: '21:00', to: '22:00' },
      ],
    });
  });

  it.each([
    ['', /expected windows and a time zone/],
    ['Europe/Berlin', /expected windows and a time zone/],
    ['mon 20:00-08:00', /found the days|time zone/],
    ['mon 20:00-08:00 Mars/Olympus', /found "Mars\/Olympus", expected the IANA name/],
    ['mo 20:00-08:00 UTC', /found the days "mo"/],
    ['mon 20:00-24:30 UTC', /expected a time from 00:00 to 23:59/],
    ['mon 20:00-08:00, tue UTC', /found no times after "tue"/],
  ])('is refused as %j', (text, message) => {
    const result = parseSchedule(text);
    expect(result.ok ? 'read' : result.error).toMatch(message);
  });

  it('with an unknown zone, day or hour is refused', () => {
    const windows = [{ days: ['mon'], from: '20:00', to: '08:00' }];
    expect(scheduleSchema.safeParse({ timezone: 'Moon/Base', windows }).success).toBe(false);
    expect(scheduleSchema.safeParse({ timezone: 'UTC', windows: [] }).success).toBe(false);
    const late = [{ days: ['mon'], from: '24:00', to: '08:00' }];
    expect(scheduleSchema.safeParse({ timezone: 'UTC', windows: late }).success).toBe(false);
  });
});
