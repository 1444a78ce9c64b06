import type { Clock } from '@karst/shared/clock.ts';
import type { Job } from '@karst/shared/protocol/job.ts';
import { formatDuration, plainText } from '../terminal/text.ts';
import type { JobView } from './job-view.ts';

const RATE_WINDOW_MS = 60_000;

export const taskTotal = (job: Job): number =>
  Object.values(job.taskCounts).reduce((sum, tasks) => sum + tasks, 0);

/** Tasks that are over, well or badly. */
const endedTasks = ({ taskCounts }: Job): number =>
  taskCounts.succeeded + taskCounts.failed + taskCounts.canceled;

/** Tells a job's progress in one line, with the rate over the last minute and what is left at it. */
export class ProgressText {
  readonly #clock: Clock;
  readonly #samples: { atMs: number; ended: number }[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** `barWidth` 0: no bar and no task's status, for plain lines. */
  render(view: JobView, style: { barWidth: number }): string {
    const { job } = view;
    const total = taskTotal(job);
    const { succeeded, running, failed, canceled } = job.taskCounts;
    const parts = [`${succeeded}/${total} done`];
    if (job.state === 'paused') parts.push('paused');
    if (job.heldSteps !== undefined) parts.push(`${job.heldSteps.join(', ')} held`);
    if (running > 0) parts.push(`${running} running`);
    if (failed > 0) parts.push(`${failed} failed`);
    if (canceled > 0) parts.push(`${canceled} canceled`);
    // While only a person's word is missing, no rate tells when it comes.
    if (job.heldSteps === undefined || running > 0) parts.push(...this.#pace(job, total));
    if (job.state === 'succeeded') {
      parts.push(`publishing outputs ${job.outputs.published}/${job.outputs.accepted}`);
    }
    const status = style.barWidth > 0 ? currentStatus(view) : undefined;
    if (status !== undefined) parts.push(status);
    const share = total === 0 ? 0 : endedTasks(job) / total;
    const bar = style.barWidth > 0 ? `${progressBar(share, style.barWidth)} ` : '';
    return bar + parts.join(', ');
  }

  #pace(job: Job, total: number): string[] {
    const atMs = this.#clock.monotonicMs();
    const ended = endedTasks(job);
    const last = this.#samples.at(-1);
    if (last === undefined || last.ended !== ended) this.#samples.push({ atMs, ended });
    while (this.#samples.length > 2 && atMs - (this.#samples[1]?.atMs ?? atMs) > RATE_WINDOW_MS) {
      this.#samples.shift();
    }
    const first = this.#samples[0];
    const latest = this.#samples.at(-1);
    if (first === undefined || latest === undefined || ended === total) return [];
    const gained = ended - first.ended;
    const gainMs = latest.atMs - first.atMs;
    if (gained <= 0 || gainMs <= 0) return [];
    // Between two tasks nothing ends, and that alone is no reason to slow down; a longer pause is.
    const pauseMs = atMs - latest.atMs;
    const perMs = gained / (gainMs + Math.max(0, pauseMs - gainMs / gained));
    const perSecond = perMs * 1000;
    const rate =
      perSecond >= 1 ? `${perSecond.toFixed(1)}/s` : `${(perSecond * 60).toFixed(1)}/min`;
    const leftMs = Math.max(0, (total - ended) / perMs - pauseMs);
    return [rate, `ETA ${formatDuration(leftMs)}`];
  }
}

function progressBar(share: number, width: number): string {
  const filled = Math.floor(Math.min(1, share) * width);
  return `[${'#'.repeat(filled)}${'.'.repeat(width - filled)}] ${Math.floor(share * 100)}%`;
}

function currentStatus(view: JobView): string | undefined {
  const latest = view.statuses[0];
  if (latest === undefined) return undefined;
  const percent = latest.percent === undefined ? '' : ` ${Math.round(latest.percent)}%`;
  const status = latest.status === undefined ? '' : ` ${latest.status}`;
  if (percent === '' && status === '') return undefined;
  return plainText(`${latest.step} ${latest.task}:${percent}${status}`);
}
