import type {
  Forecast,
  JobExplanation,
  NodeTest,
  Standing,
  StepExplanation,
  WaitReason,
} from '@karst/shared/protocol/explain.ts';
import { count, formatDuration } from '../terminal/text.ts';

/** What a person may do about it. */
const hints: Partial<Record<WaitReason['kind'], (jobId: string) => string>> = {
  paused: (jobId) => `karst resume ${jobId}`,
  held: (jobId) => `karst release ${jobId}`,
};

const standings: readonly (readonly [Standing, string])[] = [
  ['free', 'free'],
  ['busy', 'busy'],
  ['limit_reached', 'kept by a full limit'],
  ['kept_for_larger', 'kept free for a larger task'],
  ['failed_here', 'where it failed lately'],
  ['draining', 'draining'],
  ['outside_schedule', 'outside their schedule'],
  ['quarantined', 'in quarantine'],
  ['not_ready', 'not ready'],
  ['pool_closed', 'in a pool outside its hours'],
  ['pool_by_name_only', 'in a pool for jobs that name it'],
  ['other_classes', 'in a pool for other priority classes'],
  ['other_studios', 'of other studios only'],
  ['unsuited', 'unsuited'],
  ['offline', 'suited but offline'],
];

/** Why a job waits, as lines for people. */
export function jobExplanationLines(job: JobExplanation, nowMs: number): string[] {
  return [
    `Job ${job.jobId} (${job.state}): ${job.summary}`,
    ...forecastLines(job.forecast, nowMs, ''),
    ...job.steps.flatMap((step) => stepLines(step, job.jobId, nowMs)),
  ];
}

function stepLines(step: StepExplanation, jobId: string, nowMs: number): string[] {
  const lines = [
    '',
    `Step ${step.name} (${step.state}): ${count(step.waiting, 'task')} waiting, ${step.running} running`,
  ];
  for (const { kind, text } of step.reasons) {
    const hint = hints[kind]?.(jobId);
    lines.push(`  - ${text}${hint === undefined ? '' : ` (${hint})`}`);
  }
  const nodes = standings.flatMap(([standing, text]) => {
    const n = step.nodes[standing] ?? 0;
    return n === 0 ? [] : [`${n} ${text}`];
  });
  if (nodes.length > 0) lines.push(`  Nodes: ${nodes.join(', ')}`);
  for (const test of step.tests) lines.push(`    ${testLine(test)}`);
  return [...lines, ...forecastLines(step.forecast, nowMs, '  ')];
}

const testLine = ({ test, nodes, wanted, has }: NodeTest): string =>
  `${count(nodes, 'node')} fail${nodes === 1 ? 's' : ''} ${test}: wanted ${wanted}, has ${has}`;

function forecastLines({ start, end, basis }: Forecast, nowMs: number, margin: string): string[] {
  const lines: string[] = [];
  if (start !== null) lines.push(`${margin}Starts: ${momentText(start, nowMs)}`);
  if (end !== null) lines.push(`${margin}Ends:   ${momentText(end, nowMs)}`);
  if (basis === '') return lines;
  return [...lines, `${margin}${lines.length === 0 ? 'No forecast' : 'Based on'}: ${basis}`];
}

function momentText({ p50, p90 }: { p50: string; p90: string }, nowMs: number): string {
  const [half, most] = [p50, p90].map((moment) => inText(Date.parse(moment) - nowMs));
  return half === most ? `${half}` : `${half} likely, ${most} almost surely`;
}

const inText = (ms: number): string => (ms < 1000 ? 'now' : `in ${formatDuration(ms)}`);
