import type { PolicyReport, Report } from './report.ts';

type Cell = string | number | null;

const percent = (part: number | null): string =>
  part === null ? '-' : `${(part * 100).toFixed(1)} %`;
const index = (value: number | null): string => (value === null ? '-' : value.toFixed(3));

/** 5,025 → "1 h 24 min". Of two units, the smaller one rounded. */
export function duration(seconds: number): string {
  if (seconds < 10) return `${Number(seconds.toFixed(1))} s`;
  const total = Math.round(seconds);
  if (total < 60) return `${total} s`;
  if (total < 3600) return `${Math.floor(total / 60)} min ${total % 60} s`;
  const minutes = Math.round(total / 60);
  if (minutes < 24 * 60) return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  const hours = Math.round(total / 3600);
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** The report for people: a table of the policies, and one of the studios. */
export function reportText({ farm, trace, seed, policies }: Report): string {
  const n = (value: number) => value.toLocaleString('en-US');
  const runs = Object.entries(policies);
  const skipped = Object.entries(trace.skipped).map(([why, count]) => `${n(count)} ${why}`);
  return [
    `Farm   ${n(farm.nodes)} nodes: ${n(farm.slots)} slots, ${n(farm.cores)} cores, ${n(farm.gpus)} GPUs`,
    `Trace  ${trace.kind}: ${n(trace.tasks)} tasks in ${n(trace.jobs)} jobs of ${trace.studios} studios over ${trace.days} days (seed ${seed})`,
    `Load   ${percent(trace.load.cores)} of the cores, ${percent(trace.load.gpus)} of the GPUs while work arrives`,
    ...(skipped.length === 0 ? [] : [`Left out  ${skipped.join('; ')}`]),
    '',
    table(['', ...runs.map(([name]) => name)], policyRows(runs.map(([, run]) => run))),
    '',
    'Studios: wait p95, and in brackets what each had of what its weight entitles it to',
    table(['studio', 'weight', ...runs.map(([name]) => name)], studioRows(runs)),
    '',
  ].join('\n');
}

function policyRows(runs: readonly PolicyReport[]): Cell[][] {
  const row = (title: string, of: (run: PolicyReport) => Cell): Cell[] => [title, ...runs.map(of)];
  const hasStranded = runs.some(({ tasks }) => tasks.stranded > 0);
  const hasPreempted = runs.some(({ preempted }) => preempted.tasks > 0);
  const hasFailed = runs.some(({ tasks }) => tasks.failed + tasks.canceled > 0);
  return [
    row('task wait p50', ({ waitSeconds }) => duration(waitSeconds.p50)),
    row('task wait p95', ({ waitSeconds }) => duration(waitSeconds.p95)),
    row('task wait p99', ({ waitSeconds }) => duration(waitSeconds.p99)),
    row('task wait mean', ({ waitSeconds }) => duration(waitSeconds.mean)),
    row('job done after p50', ({ turnaroundSeconds }) => duration(turnaroundSeconds.p50)),
    row('job done after p95', ({ turnaroundSeconds }) => duration(turnaroundSeconds.p95)),
    row('slots busy', ({ utilisation }) => percent(utilisation.slots)),
    row('cores busy', ({ utilisation }) => percent(utilisation.cores)),
    row('GPUs busy', ({ utilisation }) => percent(utilisation.gpus)),
    row('fairness (Jain)', ({ fairness }) => index(fairness.jain)),
    row('  per period', ({ fairness }) => index(fairness.jainPerPeriod)),
    row('  least satisfied', ({ fairness }) => percent(fairness.leastSatisfied)),
    row('met in patience', ({ allocation }) => percent(allocation.byCount)),
    row('  of card-hours', ({ allocation }) => percent(allocation.byCardHours)),
    row('makespan / ideal', ({ makespan }) => index(makespan.ratio)),
    row('retries', ({ retries }) => retries.toLocaleString('en-US')),
    row('tasks lost', ({ lost }) => lost.tasks.toLocaleString('en-US')),
    ...(hasPreempted
      ? [row('tasks preempted', ({ preempted }) => preempted.tasks.toLocaleString('en-US'))]
      : []),
    ...(hasFailed
      ? [row('failed, canceled', ({ tasks }) => `${tasks.failed}, ${tasks.canceled}`)]
      : []),
    ...(hasStranded ? [row('stranded', ({ tasks }) => tasks.stranded)] : []),
  ];
}

function studioRows(runs: readonly [string, PolicyReport][]): Cell[][] {
  const first = runs[0]?.[1].studios ?? {};
  return Object.entries(first).map(([name, { weight }]) => [
    name,
    weight,
    ...runs.map(([, { studios }]) => {
      const studio = studios[name];
      if (!studio?.waitSeconds) return '-';
      return `${duration(studio.waitSeconds.p95)} (${percent(studio.satisfaction)})`;
    }),
  ]);
}

function table(head: readonly string[], rows: readonly Cell[][]): string {
  const lines = [head, ...rows.map((row) => row.map((cell) => String(cell ?? '-')))];
  const widths = head.map((_, at) => Math.max(...lines.map((line) => line[at]?.length ?? 0)));
  return lines
    .map((line) =>
      line
        .map((cell, at) =>
          at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0),
        )
        .join('   ')
        .trimEnd(),
    )
    .join('\n');
}
