import { z } from 'zod';

/** In the order of the week. */
export const dayNames = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;
export type DayName = (typeof dayNames)[number];

const names: readonly string[] = dayNames;
/** 0: Monday; -1: no name of a day. */
export const dayNumber = (name: string): number => names.indexOf(name);

const time = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'expected a time from 00:00 to 23:59');

/** Whether the runtime knows the IANA name of a time zone, such as `Europe/Berlin` or `UTC`. */
export function isTimezone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

/**
 * When a node may work, by the wall clock of its time zone. A window begins at `from` on each of
 * `days`. With `to` at or before `from` it ends on the day after; `to` 00:00 is the day's end.
 */
export const scheduleSchema = z
  .strictObject({
    timezone: z
      .string()
      .max(100)
      .refine(isTimezone, 'expected the IANA name of a time zone such as Europe/Berlin'),
    windows: z
      .array(
        z.strictObject({
          days: z.array(z.enum(dayNames)).min(1).max(7),
          from: time,
          to: time,
        }),
      )
      .min(1)
      .max(50),
  })
  .meta({ id: 'Schedule' });
export type Schedule = z.infer<typeof scheduleSchema>;
