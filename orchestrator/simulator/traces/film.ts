import type { PriorityClass } from '@karst/shared/protocol/job.ts';
import type { FilmFile, Layer, Show } from '@karst/shared/simulation/film-file.ts';
import { keyOf, normalOf, RandomStream, subkey } from '../random-stream.ts';
import {
  type Durations,
  inOrderOfArrival,
  type Trace,
  type TraceJob,
  type TraceStep,
  traceJobId,
} from '../trace.ts';
import { DemandShapes } from './demand-shape.ts';
import { submissionMs } from './film-calendar.ts';

const MINUTE_MS = 60_000;
const MIB_PER_GIB = 1024;
/** Versions of a shot begin to come at least this part of the show before its deadline. */
const SHOT_TIME_MIN = 0.5;
const FRAMES_MIN = 8;
const FRAMES_MAX = 2000;

/** A shot of a show: what all of its versions have in common. */
interface Shot {
  frames: number;
  /** How heavy it is: factor on all its frame times. */
  weight: number;
  layers: Layer[];
  startDay: number;
  priorityClass: PriorityClass;
}

/** Frame times of one layer in one version: lognormal around the version's own median. */
class LognormalDurations implements Durations {
  private readonly medianMs: number;
  private readonly sigma: number;
  private readonly key: number;

  constructor(medianMs: number, sigma: number, key: number) {
    this.medianMs = medianMs;
    this.sigma = sigma;
    this.key = key;
  }

  ms(task: number): number {
    const ms = this.medianMs * Math.exp(this.sigma * normalOf(this.key, task));
    return Math.max(1, Math.round(ms));
  }
}

/** The synthetic film of docs/simulation.md. The same settings and seed make the same trace. */
export function filmTrace(film: FilmFile, seed: number): Trace {
  const shapes = new DemandShapes();
  const shares = film.shows.reduce((sum, { share }) => sum + share, 0);
  const versions = film.shows.flatMap((show, n) => {
    const random = new RandomStream(subkey(subkey(seed, keyOf('film')), n));
    return versionsOf(film, show, (film.tasks * show.share) / shares, random);
  });
  const jobs = versions.map(
    ({ show, shot, isDraft, arrivalMs, key }, n): TraceJob => ({
      id: traceJobId(n),
      studio: show.studio,
      project: show.project,
      arrivalMs,
      priorityClass: shot.priorityClass,
      priority: show.priority,
      steps: stepsOf(show, shot, isDraft, key, shapes),
    }),
  );
  return { kind: 'film', jobs: inOrderOfArrival(jobs), skipped: {} };
}

interface Version {
  show: Show;
  shot: Shot;
  isDraft: boolean;
  arrivalMs: number;
  key: number;
}

/** As many versions of the show's shots as come nearest to `tasks` in all. */
function versionsOf(film: FilmFile, show: Show, tasks: number, random: RandomStream): Version[] {
  const shots = shotsOf(film, show, random);
  const deadlineDay = show.deadlineDay ?? film.days;
  const tasksPerRound = shots.reduce((sum, shot) => {
    // The part of its versions that come within the trace.
    const until = (day: number) =>
      Math.min(1, Math.max(0, (day - shot.startDay) / (deadlineDay - shot.startDay))) **
      show.crunch;
    return sum + shot.frames * shot.layers.length * (until(film.days) - until(0));
  }, 0);
  const rounds = tasksPerRound === 0 ? 0 : tasks / tasksPerRound;
  const versions: Version[] = [];
  // What rounding leaves over goes to the next shot, so that the sum comes out.
  let owed = 0;
  for (const shot of shots) {
    owed += rounds;
    const count = Math.round(owed);
    owed -= count;
    for (let n = 0; n < count; n++) {
      // The n-th of evenly spread versions, drawn towards the deadline by the crunch.
      const part = ((n + random.unit()) / count) ** (1 / show.crunch);
      const day = shot.startDay + (deadlineDay - shot.startDay) * part;
      if (day < 0 || day >= film.days) continue;
      const arrivalMs = submissionMs(day, film, random);
      const isDraft = n < Math.round((count * show.draftPercent) / 100);
      versions.push({ show, shot, isDraft, arrivalMs, key: random.key() });
    }
  }
  return versions;
}

function shotsOf(film: FilmFile, show: Show, random: RandomStream): Shot[] {
  const deadlineDay = show.deadlineDay ?? film.days;
  const latestStart = show.startDay + (deadlineDay - show.startDay) * (1 - SHOT_TIME_MIN);
  const shots: Shot[] = [];
  for (let sequence = 0; sequence < show.sequences; sequence++) {
    // Sequences enter production one after another.
    const from = show.startDay + ((latestStart - show.startDay) * sequence) / show.sequences;
    for (let n = 0; n < show.shotsPerSequence; n++) {
      const frames = Math.round(random.lognormal(show.framesMedian, show.framesSigma));
      const layers = film.layers.filter(({ shotPercent }) => random.chance(shotPercent));
      shots.push({
        frames: Math.min(Math.max(frames, FRAMES_MIN), FRAMES_MAX),
        weight: random.lognormal(1, show.shotSigma),
        layers: layers.length > 0 ? layers : film.layers.slice(0, 1),
        startDay: from + ((latestStart - show.startDay) / show.sequences) * random.unit(),
        priorityClass: classOf(show, random),
      });
    }
  }
  return shots;
}

function classOf({ urgentPercent, backgroundPercent }: Show, random: RandomStream): PriorityClass {
  const dice = random.unit() * 100;
  if (dice < urgentPercent) return 'urgent';
  return dice < urgentPercent + backgroundPercent ? 'background' : 'normal';
}

function stepsOf(
  show: Show,
  shot: Shot,
  isDraft: boolean,
  key: number,
  shapes: DemandShapes,
): TraceStep[] {
  const factor = shot.weight * (isDraft ? show.draftTimePercent / 100 : 1);
  const places = new Map(shot.layers.map(({ name }, at) => [name, at]));
  return shot.layers.map((layer, at): TraceStep => {
    const others = layer.after === 'all' ? shot.layers.map(({ name }) => name) : layer.after;
    const dependsOn = others.flatMap((name) => {
      const place = places.get(name);
      return place === undefined || place === at ? [] : [place];
    });
    const demand = {
      cores: layer.cores,
      memoryMib: layer.memoryGib * MIB_PER_GIB,
      gpus: layer.gpus,
      gpuMemoryMib: layer.gpuMemoryGib * MIB_PER_GIB,
    };
    const medianMs = layer.medianMinutes * MINUTE_MS * factor;
    return {
      name: layer.name,
      tasks: shot.frames,
      shape: shapes.of(demand, layer.placement),
      limits: layer.limits,
      dependsOn,
      durations: new LognormalDurations(medianMs, layer.frameSigma, subkey(key, at)),
    };
  });
}
