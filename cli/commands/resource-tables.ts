import type { keySchema } from '@karst/shared/protocol/access.ts';
import type { Job, Step } from '@karst/shared/protocol/job.ts';
import type { Task } from '@karst/shared/protocol/task.ts';
import type { z } from 'zod';
import type { CliContext } from '../context.ts';
import type { Column } from '../terminal/table.ts';
import { clip, formatDuration, plainText } from '../terminal/text.ts';
import { heldText } from '../wait/held-text.ts';
import { taskTotal } from '../wait/progress-text.ts';

const NAME_WIDTH_MAX = 40;
export const MESSAGE_WIDTH_MAX = 60;

export const agoText = (context: CliContext, timestamp: string | undefined): string =>
  timestamp === undefined
    ? '-'
    : `${formatDuration(Math.max(0, context.clock.nowMs() - Date.parse(timestamp)))} ago`;

export const jobColumns = (context: CliContext): Column<Job>[] => [
  { title: 'JOB', value: ({ id }) => id },
  { title: 'NAME', value: ({ name }) => clip(name, NAME_WIDTH_MAX) },
  { title: 'STATE', value: ({ state, heldSteps }) => (heldSteps ? `${state} (held)` : state) },
  { title: 'DONE', value: (job) => `${job.taskCounts.succeeded}/${taskTotal(job)}` },
  { title: 'RUNNING', value: ({ taskCounts }) => taskCounts.running },
  { title: 'FAILED', value: ({ taskCounts }) => taskCounts.failed },
  { title: 'PRIORITY', value: ({ policy }) => policy.priority },
  { title: 'PROJECT', value: ({ project }) => project },
  { title: 'SUBMITTED', value: ({ createdAt }) => agoText(context, createdAt) },
];

export const stepColumns: Column<Step>[] = [
  { title: 'STEP', value: ({ name }) => name },
  { title: 'STATE', value: ({ state, held }) => (held ? `${state} (held)` : state) },
  { title: 'WAITING', value: ({ taskCounts }) => taskCounts.waiting },
  { title: 'RUNNING', value: ({ taskCounts }) => taskCounts.running },
  { title: 'SUCCEEDED', value: ({ taskCounts }) => taskCounts.succeeded },
  { title: 'FAILED', value: ({ taskCounts }) => taskCounts.failed },
  { title: 'CANCELED', value: ({ taskCounts }) => taskCounts.canceled },
  {
    title: 'TASK TIME',
    value: ({ meanTaskMs }) => (meanTaskMs === undefined ? '-' : formatDuration(meanTaskMs)),
  },
  { title: 'AFTER', value: ({ dependsOn }) => dependsOn.join(', ') || '-' },
];

export const taskColumns: Column<Task>[] = [
  { title: 'STEP', value: ({ step }) => step },
  { title: 'TASK', value: ({ index }) => index },
  { title: 'STATE', value: ({ state }) => state },
  {
    title: 'PARAMETERS',
    value: ({ parameters }) => clip(parameterText(parameters), NAME_WIDTH_MAX),
  },
  { title: 'FAILURES', value: ({ failures }) => failures },
  { title: 'OUTPUTS', value: ({ outputs }) => outputs.length },
  { title: 'NODE', value: ({ nodeId }) => nodeId ?? '-' },
  { title: 'NOTE', value: (task) => clip(plainText(noteOf(task)), MESSAGE_WIDTH_MAX) },
];

const parameterText = (parameters: Readonly<Record<string, string>>): string =>
  Object.entries(parameters)
    .map(([name, value]) => `${name}=${value}`)
    .join(' ') || '-';

/** What matters about a task in its state: how far it is, or why its last attempt ended. */
function noteOf({ state, progress, status, flags = [], rerun, attempt }: Task): string {
  if (state === 'running') {
    const percent = progress === undefined ? '' : `${Math.round(progress)}% `;
    const again = rerun === undefined ? [] : [`[again on ${rerun.nodeId ?? 'the next free node'}]`];
    return (
      [...flags.map((flag) => `[${flag}]`), ...again, `${percent}${status ?? ''}`.trim()]
        .join(' ')
        .trim() || '-'
    );
  }
  return (state === 'succeeded' ? undefined : attempt?.message) ?? '-';
}

export const keyColumns: Column<z.infer<typeof keySchema>>[] = [
  { title: 'KEY ID', value: ({ id }) => id },
  { title: 'STUDIO', value: ({ studio }) => studio },
  { title: 'ROLE', value: ({ role }) => role },
  { title: 'CREATED', value: ({ createdAt }) => createdAt },
  { title: 'NOTE', value: ({ note }) => note || '-' },
];

/** `waits`: why its tasks wait. */
export function jobLines(job: Job, waits: string | undefined): [string, string | number][] {
  const { waiting, running, succeeded, failed, canceled } = job.taskCounts;
  const lines: [string, string | number][] = [
    ['Job', job.id],
    ['Name', plainText(job.name)],
    ['State', job.state],
  ];
  const because = heldText(job) ?? job.message;
  if (because !== undefined) lines.push(['Because', plainText(because)]);
  if (waits !== undefined) lines.push(['Waits', plainText(waits)]);
  lines.push(
    ['Studio', job.studio],
    ['Project', job.project],
    ['Priority', job.policy.priority],
    [
      'Tasks',
      `${taskTotal(job)}: ${waiting} waiting, ${running} running, ${succeeded} succeeded, ` +
        `${failed} failed, ${canceled} canceled`,
    ],
    ['Outputs', `${job.outputs.accepted} accepted, ${job.outputs.published} published`],
    ['Submitted', job.createdAt],
  );
  if (job.startedAt !== undefined) lines.push(['Started', job.startedAt]);
  if (job.endedAt !== undefined) lines.push(['Ended', job.endedAt]);
  return lines;
}
