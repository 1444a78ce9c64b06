import type { Clock } from '@karst/shared/clock.ts';
import type { Job } from '@karst/shared/protocol/job.ts';
import { formatDuration, plainText } from '../terminal/text.ts';
import type { JobView } from './job-view.ts';

const RATE_WINDOW_MS = 60_000;
const BAR_WIDTH = 24;

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

  render(view: JobView, style: { bar: boolean }): string {
    const { job } = view;
    const total = taskTotal(job);
    const { succeeded, running, failed, canceled } = job.taskCounts;
    const parts = [`${succeeded}/${total} done`];
    if (job.state === 'paused') parts.push('paused');
    if (running > 0) parts.push(`${running} running`);
    if (failed > 0) parts.push(`${failed} failed`);
    if (canceled > 0) parts.push(`${canceled} canceled`);
    parts.push(...this.#pace(job, total));
    if (job.state === 'succeeded') {
      parts.push(`publishing outputs ${job.outputs.published}/${job.outputs.accepted}`);
    }
    const status = style.bar ? currentStatus(view) : undefined;
    if (status !== undefined) parts.push(status);
    const bar = style.bar ? `${progressBar(total === 0 ? 0 : endedTasks(job) / total)} ` : '';
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
    if (first === undefined || ended <= first.ended || ended === total) return [];
    const perSecond = (ended - first.ended) / ((atMs - first.atMs) / 1000);
    if (!Number.isFinite(perSecond)) return [];
    const rate =
      perSecond >= 1 ? `${perSecond.toFixed(1)}/s` : `${(perSecond * 60).toFixed(1)}/min`;
    return [rate, `ETA ${formatDuration(((total - ended) / perSecond) * 1000)}`];
  }
}

function progressBar(share: number): string {
  const filled = Math.floor(Math.min(1, share) * BAR_WIDTH);
  return `[${'#'.repeat(filled)}${'.'.repeat(BAR_WIDTH - filled)}] ${Math.floor(share * 100)}%`;
}

function currentStatus(view: JobView): string | undefined {
  const latest = view.statuses[0];
  if (latest === undefined) return undefined;
  const percent = latest.percent === undefined ? '' : ` ${Math.round(latest.percent)}%`;
  const status = latest.status === undefined ? '' : ` ${latest.status}`;
  if (percent === '' && status === '') return undefined;
  return plainText(`${latest.step} ${latest.task}:${percent}${status}`);
}
