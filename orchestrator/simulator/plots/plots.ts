import { satisfactions } from '../metrics/fairness.ts';
import { type ResourceKind, utilisation } from '../metrics/usage.ts';
import { SAMPLES_PER_PERIOD } from '../report.ts';
import type { Simulation } from '../simulate.ts';
import { linearAxis, percentLabel, timeAxis, waitAxis } from './axis.ts';
import { colourOf, type Panel, renderChart, type Series } from './chart.ts';

const POINTS_MAX = 120;
/** Above that, lines of many studios are a tangle. */
const STUDIOS_MAX = 8;
/** Of a studio's share / what it is entitled to. */
const RATIO_MAX = 3;

type Run = Simulation['runs'][number];

/** The simulation as pictures: SVG text by file name. */
export function plotsOf(simulation: Simulation): Map<string, string> {
  return new Map([
    ['utilisation.svg', utilisationChart(simulation)],
    ['waits.svg', waitsChart(simulation)],
    ['shares.svg', sharesChart(simulation)],
  ]);
}

const subtitleOf = ({ report }: Simulation): string => {
  const { farm, trace, seed } = report;
  const n = (value: number) => value.toLocaleString('en-US');
  const size = `${n(farm.nodes)} nodes, ${n(trace.tasks)} tasks in ${trace.days} days`;
  return `${trace.kind}, ${size}, seed ${seed}`;
};

/** Sample numbers that begin the intervals of a line of at most so many points. */
function intervals(samples: number, pointsMax: number): { from: number; to: number }[] {
  const size = Math.max(1, Math.ceil((samples - 1) / pointsMax));
  const starts = Array.from({ length: Math.ceil((samples - 1) / size) }, (_, n) => n * size);
  return starts.map((from) => ({ from, to: Math.min(from + size, samples - 1) }));
}

function utilisationChart(simulation: Simulation): string {
  const { runs, report } = simulation;
  const untilMs = Math.max(...runs.map(({ result }) => result.endMs));
  const x = timeAxis(untilMs);
  const kinds: ResourceKind[] = report.farm.gpus > 0 ? ['cores', 'gpus'] : ['cores', 'slots'];
  const titles = { cores: 'CPU cores', gpus: 'GPUs', slots: 'Slots' };
  const panels = kinds.map((kind): Panel => {
    const y = linearAxis('busy, of what is up', 1, percentLabel);
    return { title: titles[kind], x, y, series: runs.map((run, n) => lineOf(run, kind, n)) };
  });
  return renderChart({ title: 'Utilisation over time', subtitle: subtitleOf(simulation), panels });
}

function lineOf({ policy, result }: Run, kind: ResourceKind, n: number): Series {
  const { samples } = result.recorder.usage;
  const points = intervals(samples.length, POINTS_MAX).flatMap(({ from, to }) => {
    const [first, last] = [samples[from], samples[to]];
    if (first === undefined || last === undefined) return [];
    return [{ x: (first.atMs + last.atMs) / 2, y: utilisation(first, last)[kind] }];
  });
  return { name: policy, colour: colourOf(n), points };
}

function waitsChart(simulation: Simulation): string {
  const { runs } = simulation;
  const panel = (title: string, unit: string, of: (run: Run) => Series['points']): Panel => {
    const series = runs.map((run, n) => ({
      name: run.policy,
      colour: colourOf(n),
      points: of(run),
    }));
    const maxMs = Math.max(...series.flatMap(({ points }) => points.map((point) => point.x)), 0);
    const x = waitAxis(unit, maxMs);
    return { title, x, y: linearAxis('part of all', 1, percentLabel), series };
  };
  const panels = [
    panel('Tasks: from ready to started', 'waited at most', ({ result }) =>
      result.recorder.waits.cumulative().map(({ ms, part }) => ({ x: ms, y: part })),
    ),
    panel('Jobs: from submitted to done', 'took at most', ({ result }) =>
      result.recorder.turnarounds.cumulative().map(({ ms, part }) => ({ x: ms, y: part })),
    ),
  ];
  return renderChart({ title: 'Waits', subtitle: subtitleOf(simulation), panels });
}

function sharesChart(simulation: Simulation): string {
  const { runs } = simulation;
  const untilMs = Math.max(...runs.map(({ result }) => result.endMs));
  const x = timeAxis(untilMs);
  const y = linearAxis('share had / share owed', RATIO_MAX, String);
  const largest = largestStudios(runs);
  const panels = runs.map(({ policy, result }): Panel => {
    const { shareSamples, usage } = result.recorder;
    const points = Math.min(POINTS_MAX / 2, Math.ceil(shareSamples.length / SAMPLES_PER_PERIOD));
    const series = largest.map((name, n): Series => {
      const line = intervals(shareSamples.length, Math.max(points, 10)).map(({ from, to }) => {
        const [first, last] = [shareSamples[from], shareSamples[to]];
        const [start, end] = [usage.samples[from], usage.samples[to]];
        const y =
          first === undefined || last === undefined
            ? undefined
            : satisfactions(first, last).get(name);
        return { x: ((start?.atMs ?? 0) + (end?.atMs ?? 0)) / 2, y };
      });
      return { name, colour: colourOf(n), points: line };
    });
    return { title: policy, x, y, series, baseline: 1 };
  });
  const title =
    'Share of each studio against its weight (1: exactly its due; gaps: nothing waited)';
  return renderChart({ title, subtitle: subtitleOf(simulation), panels });
}

/** Those that used most, by name. */
function largestStudios(runs: readonly Run[]): string[] {
  const last = runs[0]?.result.recorder.shareSamples.at(-1) ?? new Map();
  return [...last.entries()]
    .toSorted((a, b) => b[1].used - a[1].used)
    .slice(0, STUDIOS_MAX)
    .map(([name]) => String(name))
    .toSorted();
}
