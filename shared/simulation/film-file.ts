import { z } from 'zod';
import type { Problem, RawProblem } from '../openjd/problem.ts';
import { studioIdSchema } from '../protocol/ids.ts';
import { limitNameSchema, projectSchema } from '../protocol/job.ts';
import { placementSchema } from '../protocol/placement.ts';
import { fieldMap } from '../recipes/field-problems.ts';
import type { Result } from '../result.ts';
import { readSettings } from './read-settings.ts';

const percent = z.number().min(0).max(100);
const sigma = z.number().min(0).max(3);

/** One step of a shot's job. docs/simulation.md tells how each number is used. */
const layerSchema = fieldMap('a layer', {
  name: z.string().regex(/^[a-z][a-z0-9-]{0,30}$/, 'lower-case letters, digits and hyphens'),
  /** Share of shots that have it. */
  shotPercent: percent.default(100),
  /** Of a frame in final quality. */
  medianMinutes: z.number().min(0.0001).max(100_000),
  /** Of the logarithm of frame times within a shot. */
  frameSigma: sigma.default(0.25),
  cores: z.number().min(1).max(4096).default(1),
  memoryGib: z.number().min(0).max(100_000).default(0),
  gpus: z.int().min(0).max(64).default(0),
  gpuMemoryGib: z.number().min(0).max(10_000).default(0),
  placement: placementSchema.prefault({}),
  limits: z.array(limitNameSchema).max(16).default([]),
  /** Layers of the same shot that must end first; `all` stands for every other one. */
  after: z.union([z.literal('all'), z.array(z.string()).max(50)]).default([]),
});
export type Layer = z.infer<typeof layerSchema>;

const showSchema = fieldMap('a show', {
  studio: studioIdSchema,
  project: projectSchema,
  /** Its part of all tasks, relative to the other shows'. */
  share: z.number().min(0.001).max(1_000_000).default(1),
  sequences: z.int().min(1).max(1000).default(8),
  shotsPerSequence: z.int().min(1).max(1000).default(10),
  framesMedian: z.number().min(1).max(100_000).default(90),
  framesSigma: sigma.default(0.5),
  /** Of the logarithm of how heavy a whole shot is: all its layers and frames together. */
  shotSigma: sigma.default(0.5),
  /** Before 0: under way when the trace begins; what came before is left out. */
  startDay: z.number().min(-10_000).max(10_000).default(0),
  /** Default: the last day. Later: what comes after the trace's end is left out. */
  deadlineDay: z.number().min(-10_000).max(10_000).optional(),
  /** 1: versions come evenly until the deadline; more: the closer, the more. */
  crunch: z.number().min(1).max(10).default(1.4),
  /** Versions in draft quality, the earlier ones of a shot. */
  draftPercent: percent.default(40),
  /** A draft frame's time, of a final one's. */
  draftTimePercent: z.number().min(0.1).max(100).default(25),
  priority: z.int().min(0).max(100).default(50),
  /** Shots that are `urgent` and `background`. */
  urgentPercent: percent.default(0),
  backgroundPercent: percent.default(0),
});
export type Show = z.infer<typeof showSchema>;

const hourOfDay = z.number().min(0).max(24);

export const filmFileSchema = fieldMap('a film trace', {
  days: z.number().min(0.01).max(3650),
  /** About how many in all; whole versions, so a little more or less. */
  tasks: z.int().min(1).max(100_000_000),
  /** Weeks begin on Monday at 00:00. */
  work: fieldMap('work', {
    fromHour: hourOfDay.default(9),
    toHour: hourOfDay.default(19),
    /** Submissions of a weekend day, of a working day's. */
    weekendPercent: percent.default(20),
    /** Versions sent in the last hour of the day, to be there in the morning. */
    eveningPercent: percent.default(30),
    /** Versions sent at any hour: automation, other time zones. */
    nightPercent: percent.default(5),
  }).prefault({}),
  layers: z.array(layerSchema).min(1).max(100),
  shows: z.array(showSchema).min(1).max(1000),
});
export type FilmFile = z.infer<typeof filmFileSchema>;

/** The parameters of a synthetic film. Every problem of the file, with line and column. */
export const parseFilmFile = (source: string): Result<FilmFile, Problem[]> =>
  readSettings(source, filmFileSchema, crossCheck);

function crossCheck({ days, work, layers, shows }: FilmFile): RawProblem[] {
  const problems: RawProblem[] = [];
  if (work.toHour <= work.fromHour) {
    const message = `expected more than fromHour (${work.fromHour}), found ${work.toHour}`;
    problems.push({ path: ['work', 'toHour'], message });
  }
  const earlier = new Set<string>();
  for (const [at, { name, after }] of layers.entries()) {
    for (const [n, other] of (after === 'all' ? [] : after).entries()) {
      if (earlier.has(other)) continue;
      const message = `expected a layer that stands above "${name}", found "${other}"`;
      problems.push({ path: ['layers', at, 'after', n], message });
    }
    if (earlier.has(name)) {
      const message = `expected names once each, found "${name}" twice`;
      problems.push({ path: ['layers', at, 'name'], message });
    }
    earlier.add(name);
  }
  for (const [at, { startDay, deadlineDay }] of shows.entries()) {
    const deadline = deadlineDay ?? days;
    if (deadline > Math.max(0, startDay) && startDay < days) continue;
    const key = deadlineDay === undefined ? 'startDay' : 'deadlineDay';
    const message = `expected a show between day 0 and ${days}, found one from ${startDay} to ${deadline}`;
    problems.push({ path: ['shows', at, key], message });
  }
  return problems;
}
