export interface Tick {
  readonly at: number;
  readonly label: string;
}

/** Where a value lies on an axis, 0 to 1. */
export interface Axis {
  readonly title: string;
  readonly ticks: readonly Tick[];
  place(value: number): number;
}

export const escapeText = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

const MS = { second: 1000, minute: 60_000, hour: 3_600_000, day: 86_400_000 };
const TICKS_MAX = 10;
const steps = [1, 2, 5, 7, 10, 14, 20, 28, 50, 100, 200, 500, 1000];

/** From 0 to `max`, of which at most ten steps are labelled. */
export function linearAxis(title: string, max: number, label: (at: number) => string): Axis {
  const top = max > 0 ? max : 1;
  const scale = top <= 1 ? 0.1 : 1;
  const step = (steps.find((each) => top / (each * scale) <= TICKS_MAX) ?? 1000) * scale;
  const ticks: Tick[] = [];
  for (let n = 0; n * step <= top * 1.0001; n++)
    ticks.push({ at: n * step, label: label(n * step) });
  return { title, ticks, place: (value) => value / top };
}

/** Time from the beginning, ms, in days or, of less than three days, in hours. */
export function timeAxis(untilMs: number): Axis {
  const [unit, unitMs] = untilMs < 3 * MS.day ? ['hour', MS.hour] : ['day', MS.day];
  const axis = linearAxis(`${unit}s since the beginning`, untilMs / unitMs, (at) => String(at));
  return { ...axis, place: (ms) => axis.place(ms / unitMs), ticks: axis.ticks.map(inMs) };

  function inMs({ at, label }: Tick): Tick {
    return { at: at * unitMs, label };
  }
}

const waitTicks: readonly Tick[] = [
  { at: MS.second, label: '1 s' },
  { at: 10 * MS.second, label: '10 s' },
  { at: MS.minute, label: '1 min' },
  { at: 10 * MS.minute, label: '10 min' },
  { at: MS.hour, label: '1 h' },
  { at: 6 * MS.hour, label: '6 h' },
  { at: MS.day, label: '1 d' },
  { at: 7 * MS.day, label: '7 d' },
  { at: 30 * MS.day, label: '30 d' },
];

/** Waits from a second to the longest, ms, in powers. What is shorter lies at the second. */
export function waitAxis(title: string, maxMs: number): Axis {
  const top = Math.max(maxMs, MS.minute);
  return {
    title,
    ticks: waitTicks.filter(({ at }) => at <= top),
    place: (ms) => Math.log(Math.max(ms, MS.second) / MS.second) / Math.log(top / MS.second),
  };
}

export const percentLabel = (part: number): string => `${Math.round(part * 100)} %`;
