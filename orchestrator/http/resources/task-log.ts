import { pipeline } from 'node:stream/promises';
import { sleep } from '@karst/shared/clock.ts';
import { adaptiveChunks } from '@karst/shared/openjd/adaptive-chunks.ts';
import type { Response } from 'express';
import { objectKeys } from '../../objects/keys.ts';
import type { ObjectStore } from '../../objects/store.ts';
import type { JobStore } from '../../store/job-store.ts';
import type { LiveLogRef, LiveLogs } from '../../store/live-log.ts';
import type { SpanStore } from '../../store/span-store.ts';
import type { TaskReader } from '../../store/task-reader.ts';
import type { Handlers } from '../handler.ts';
import { checkTask, type OwnStep, ownStep } from './tasks.ts';

/** How long a follower waits before it looks whether the task has ended. */
const LOOK_AGAIN_MS = 1000;

/** What a follower has sent so far. */
interface Tail {
  epoch: number;
  after: string;
  sentBytes: number;
}

export function taskLogHandlers(parts: {
  jobs: JobStore;
  spans: SpanStore;
  tasks: TaskReader;
  logs: LiveLogs;
  objects: ObjectStore;
}): Pick<Handlers, 'getTaskLog'> {
  const { jobs, spans, tasks, logs, objects } = parts;

  /** The attempt that runs the task, and under which task its log stands: a chunk's first. */
  async function runningAttempt(own: OwnStep, task: number) {
    const table = await spans.list(own.jobId, own.index);
    const span = table.find((s) => s.state === 'leased' && s.first <= task && task <= s.last);
    if (span?.state !== 'leased') return undefined;
    const isChunk = adaptiveChunks(own.step.parameterSpace) !== undefined;
    return { epoch: span.epoch, task: isChunk ? span.first : task };
  }

  /** Sends what is new of the running attempt. */
  async function sendLive(own: OwnStep, task: number, tail: Tail, response: Response) {
    const ref = { jobId: own.jobId, step: own.index, task };
    const page = await logs.read(ref, tail.epoch, tail.after);
    tail.after = page.last;
    tail.sentBytes += Buffer.byteLength(page.text);
    if (page.text !== '') response.write(page.text);
  }

  /** Until there may be more to send, LOOK_AGAIN_MS at most. */
  async function changeOrPause(ref: LiveLogRef, signal: AbortSignal): Promise<void> {
    const over = new AbortController();
    const changed = logs.changed(ref, AbortSignal.any([signal, over.signal]));
    await Promise.race([changed, sleep(LOOK_AGAIN_MS, over.signal).catch(() => undefined)]);
    over.abort('looked');
  }

  return {
    async getTaskLog({ params, query }, { principal, response, signal }) {
      const own = await ownStep(jobs, principal.studio, params.jobId, params.step);
      checkTask(own, params.task);
      const { task } = params;
      response.writeHead(200, {
        'Content-Type': 'text/plain; charset=utf-8',
        'Cache-Control': 'no-store',
        'X-Accel-Buffering': 'no',
      });
      response.flushHeaders();
      const tail: Tail = { epoch: 0, after: '0', sentBytes: 0 };
      const follow = query.follow === 'true';
      while (!signal.aborted) {
        const running = await runningAttempt(own, task);
        if (running !== undefined) {
          const { epoch } = running;
          if (epoch !== tail.epoch) Object.assign(tail, { epoch, after: '0', sentBytes: 0 });
          await sendLive(own, running.task, tail, response);
        }
        const [facts] = await tasks.read(own.jobId, own.index, [task]);
        const over =
          facts === undefined || (facts.state !== 'running' && facts.state !== 'waiting');
        if (over || !follow) break;
        const followed = running?.task ?? task;
        await changeOrPause({ jobId: own.jobId, step: own.index, task: followed }, signal);
      }
      if (!signal.aborted) {
        const [facts] = await tasks.read(own.jobId, own.index, [task]);
        const attempt = facts?.attempt;
        if (facts?.state !== 'running' && attempt?.logBytes !== undefined) {
          const first = facts?.chunk?.first ?? task;
          const key = objectKeys.log(principal.studio, own.jobId, own.index, first, attempt.epoch);
          // A follower has had the beginning; the stored log goes on where it stopped.
          const start = attempt.epoch === tail.epoch ? tail.sentBytes : 0;
          const rest =
            start < attempt.logBytes ? await objects.getStream(key, { start }, signal) : undefined;
          if (rest !== undefined) await pipeline(rest.stream, response, { end: false });
        }
      }
      response.end();
    },
  };
}
