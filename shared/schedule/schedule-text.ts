import {
  type DayName,
  dayNames,
  dayNumber,
  type Schedule,
  scheduleSchema,
} from '../protocol/schedule.ts';
import { err, ok, type Result } from '../result.ts';

const expected =
  'expected windows and a time zone such as "mon-fri 20:00-08:00, sat-sun 00:00-00:00 Europe/Berlin"';

/** `mon-fri 20:00-08:00, sat,sun 00:00-00:00 Europe/Berlin`. */
export function parseSchedule(text: string): Result<Schedule, string> {
  const words = text.trim().toLowerCase().split(/[\s]+/);
  const timezone = text.trim().split(/\s+/).at(-1) ?? '';
  const windows: Schedule['windows'] = [];
  let daysText = '';
  for (const word of words.slice(0, -1)) {
    const [, from, to] = /^(\d\d:\d\d)-(\d\d:\d\d),?$/.exec(word) ?? [];
    if (from === undefined || to === undefined) {
      daysText += word;
      continue;
    }
    const days = readDays(daysText);
    if (days === undefined) return err(`found the days ${JSON.stringify(daysText)}, ${expected}`);
    windows.push({ days, from, to });
    daysText = '';
  }
  if (daysText !== '') return err(`found no times after ${JSON.stringify(daysText)}, ${expected}`);
  if (windows.length === 0) return err(expected);
  const parsed = scheduleSchema.safeParse({ timezone, windows });
  if (parsed.success) return ok(parsed.data);
  const [issue] = parsed.error.issues;
  if (issue?.path[0] === 'timezone')
    return err(`found ${JSON.stringify(timezone)}, ${issue.message}`);
  return err(issue?.message ?? expected);
}

/** `mon-fri`, `sat,sun`, `daily`, `fri-mon`; undefined when it is none of these. */
function readDays(text: string): DayName[] | undefined {
  if (text === 'daily') return [...dayNames];
  const days = new Set<DayName>();
  for (const part of text.split(',')) {
    const [first = '', last = first, ...more] = part.split('-');
    const start = dayNumber(first);
    const end = dayNumber(last);
    if (start === -1 || end === -1 || more.length > 0) return undefined;
    for (let day = start; ; day = (day + 1) % 7) {
      const name = dayNames[day];
      if (name !== undefined) days.add(name);
      if (day === end) break;
    }
  }
  return dayNames.filter((name) => days.has(name));
}

/** As parseSchedule reads it. */
export function scheduleText({ timezone, windows }: Schedule): string {
  const told = windows.map(({ days, from, to }) => `${daysText(days)} ${from}-${to}`);
  return `${told.join(', ')} ${timezone}`;
}

function daysText(days: readonly DayName[]): string {
  const runs: [DayName, DayName][] = [];
  let open = false;
  for (const name of dayNames) {
    const run = runs.at(-1);
    if (!days.includes(name)) open = false;
    else if (open && run !== undefined) run[1] = name;
    else {
      runs.push([name, name]);
      open = true;
    }
  }
  return runs.map(([first, last]) => (first === last ? first : `${first}-${last}`)).join(',');
}
