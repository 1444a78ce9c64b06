import type { FilmFile } from '@karst/shared/simulation/film-file.ts';
import type { RandomStream } from '../random-stream.ts';

const HOURS_PER_DAY = 24;
const DAYS_PER_WEEK = 7;
const SATURDAY = 5;
const HOUR_MS = 3_600_000;

/** Day 0 is a Monday. */
const isWeekend = (day: number): boolean => day % DAYS_PER_WEEK >= SATURDAY;

/**
 * When an artist who means to send something on `day` (from the start, may be a fraction) does: weekend
 * days are mostly waited out until Monday, and the hour is one at which people work. Milliseconds.
 */
export function submissionMs(day: number, film: FilmFile, random: RandomStream): number {
  const { fromHour, toHour, weekendPercent, eveningPercent, nightPercent } = film.work;
  let whole = Math.floor(day);
  if (isWeekend(whole) && !random.chance(weekendPercent)) {
    const monday = whole + (DAYS_PER_WEEK - (whole % DAYS_PER_WEEK));
    // The last week may end before its Monday: then Friday it was.
    whole =
      monday < film.days ? monday : Math.max(0, whole - (whole % DAYS_PER_WEEK) + SATURDAY - 1);
  }
  const hour = hourOfDay();
  const atMs = (whole * HOURS_PER_DAY + hour) * HOUR_MS;
  return Math.min(Math.round(atMs), Math.floor(film.days * HOURS_PER_DAY * HOUR_MS) - 1);

  function hourOfDay(): number {
    const dice = random.unit() * 100;
    if (dice < nightPercent) return random.unit() * HOURS_PER_DAY;
    const evening = Math.min(1, toHour - fromHour);
    if (dice < nightPercent + eveningPercent) return toHour - evening * random.unit();
    return fromHour + (toHour - fromHour) * random.unit();
  }
}
