import { sleep } from '@karst/shared/clock.ts';
import type { FarmEvent } from '@karst/shared/protocol/event.ts';
import { type Job, terminalJobStates } from '@karst/shared/protocol/job.ts';
import type { ApiClient } from '../api/client.ts';
import { type CliContext, say } from '../context.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { CliError, InterruptedError } from '../failure.ts';
import { withInterrupt } from '../interrupt.ts';
import { StatusLine } from '../terminal/status-line.ts';
import { count, formatDuration, plainText } from '../terminal/text.ts';
import { describeFirstFailure } from './first-failure.ts';
import { heldText } from './held-text.ts';
import type { JobView } from './job-view.ts';
import { ProgressText, taskTotal } from './progress-text.ts';
import { watchJob } from './watch-job.ts';

/** The live line's rate and ETA move on even when nothing happens. */
const TICK_MS = 1000;

class WaitTimeoutError extends CliError {
  override name = 'WaitTimeoutError';
}

/** What goes on beside the waiting, and is told with it. */
export interface WaitCompany {
  /** Behind each progress line; empty: nothing. */
  alsoShown: () => string;
  onEvent: (event: FarmEvent) => void;
  /** Runs until the signal aborts it, which the job's end does; its failure ends the waiting. */
  work: (signal: AbortSignal) => Promise<never>;
  /** The command with which to come back. */
  command: string;
}

export interface WaitOutcome {
  job: Job;
  exitCode: ExitCode;
}

/**
 * Shows a job's progress on stderr until it is over, then how it ended. Ctrl-C detaches: the job goes
 * on. Throws InterruptedError (130) and WaitTimeoutError (6), both telling how to come back.
 */
export async function waitForJob(
  context: CliContext,
  api: ApiClient,
  jobId: string,
  timeoutMs?: number,
  company?: WaitCompany,
): Promise<WaitOutcome> {
  const command = company?.command ?? `karst wait ${jobId}`;
  const line = new StatusLine(context.stderr, context.clock);
  try {
    const job = await withInterrupt((signal) =>
      watchShown(context, api, jobId, { line, signal, timeoutMs, command, company }),
    );
    line.clear();
    return { job, exitCode: await tellEnd(context, api, job) };
  } catch (error) {
    line.clear();
    if (error instanceof InterruptedError) {
      throw new InterruptedError(`Detached; the job goes on. Come back with: ${command}`);
    }
    throw error;
  }
}

interface Shown {
  line: StatusLine;
  signal: AbortSignal;
  timeoutMs: number | undefined;
  command: string;
  company: WaitCompany | undefined;
}

async function watchShown(
  context: CliContext,
  api: ApiClient,
  jobId: string,
  { line, signal, timeoutMs, command, company }: Shown,
): Promise<Job> {
  const over = new AbortController();
  const watchSignal = AbortSignal.any([signal, over.signal]);
  const text = new ProgressText(context.clock);
  const barWidth = line.isLive ? (line.columns < 100 ? 10 : 24) : 0;
  let latest: JobView | undefined;
  let shownState = '';
  let shownHold: string | undefined;
  const show = (view: JobView) => {
    latest = view;
    // The last line is the summary's.
    if (view.isSettled) return;
    const important = view.job.state !== shownState;
    shownState = view.job.state;
    const hold = heldText(view.job);
    if (hold !== undefined && hold !== shownHold) line.note(`${hold}.`);
    shownHold = hold;
    line.update(text.render(view, { barWidth }) + (company?.alsoShown() ?? ''), { important });
  };
  const watching = watchJob(jobId, {
    api,
    clock: context.clock,
    signal: watchSignal,
    onChange: show,
    onEvent: company?.onEvent,
    onContact: (isThere) =>
      line.note(isThere ? 'Connected again.' : 'The orchestrator does not answer; trying again.'),
  });
  const ticking = tick(() => latest && show(latest), watchSignal);
  const timers = [ticking];
  if (timeoutMs !== undefined) timers.push(timeOut(command, timeoutMs, watchSignal));
  if (company !== undefined) timers.push(company.work(watchSignal));
  try {
    return await Promise.race([watching, ...timers]);
  } finally {
    over.abort();
    await Promise.allSettled([watching, ...timers]);
  }
}

async function tick(work: () => void, signal: AbortSignal): Promise<never> {
  for (;;) {
    await sleep(TICK_MS, signal);
    work();
  }
}

async function timeOut(command: string, timeoutMs: number, signal: AbortSignal): Promise<never> {
  await sleep(timeoutMs, signal);
  throw new WaitTimeoutError(
    `The job is not over after ${formatDuration(timeoutMs)}. It goes on; come back with: ${command}`,
    { exitCode: exitCodes.waitTimeout },
  );
}

async function tellEnd(context: CliContext, api: ApiClient, job: Job): Promise<ExitCode> {
  const total = taskTotal(job);
  const { succeeded, failed } = job.taskCounts;
  const took = durationOf(job);
  const because = job.message ? `: ${plainText(job.message)}` : '';
  switch (job.state) {
    case 'succeeded':
      say(
        context,
        `Job ${job.id} succeeded: ${succeeded} of ${count(total, 'task')}${took}, ` +
          `${count(job.outputs.accepted, 'output')}.`,
      );
      return exitCodes.ok;
    case 'canceled':
      say(
        context,
        `Job ${job.id} was canceled after ${succeeded} of ${count(total, 'task')}${because}.`,
      );
      return exitCodes.jobCanceled;
    case 'failed':
      say(
        context,
        `Job ${job.id} failed: ${failed} of ${count(total, 'task')} failed${took}${because}.`,
      );
      for (const line of await describeFirstFailure(api, job)) say(context, line);
      return exitCodes.jobFailed;
    default:
      throw new Error(`the job settled as ${job.state}: ${[...terminalJobStates]}`);
  }
}

function durationOf({ startedAt, endedAt }: Job): string {
  if (startedAt === undefined || endedAt === undefined) return '';
  return ` in ${formatDuration(Date.parse(endedAt) - Date.parse(startedAt))}`;
}
