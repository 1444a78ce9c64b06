import { sleep } from '@karst/shared/clock.ts';
import { routes } from '@karst/shared/protocol/routes.ts';
import { backoffMs, patientRetry } from '../api/backoff.ts';
import { type ApiClient, isTransient } from '../api/client.ts';
import { asBrokenAnswer } from '../api/http.ts';
import { type CliContext, say } from '../context.ts';
import { withInterrupt } from '../interrupt.ts';

export interface LogRequest {
  jobId: string;
  step: string;
  task: number;
  follow: boolean;
}

/** A task may think for this long between two lines. */
const FOLLOW_IDLE_MS_MAX = 24 * 3_600_000;
const READ_IDLE_MS_MAX = 60_000;

/**
 * Writes a task's log to stdout as it comes. A connection that breaks is made again, and what was
 * printed already is passed over.
 */
export async function printLog(
  context: CliContext,
  api: ApiClient,
  request: LogRequest,
): Promise<void> {
  let printedBytes = 0;
  const readOn = async (signal: AbortSignal) => {
    const answer = await open(api, request, signal);
    let skipBytes = printedBytes;
    for await (const chunk of answer) {
      const bytes = chunk instanceof Uint8Array ? chunk : Buffer.from(String(chunk));
      const fresh = bytes.subarray(Math.min(skipBytes, bytes.length));
      skipBytes -= bytes.length - fresh.length;
      printedBytes += fresh.length;
      if (fresh.length > 0) await write(context.stdout, fresh);
    }
  };
  await withInterrupt(async (signal) => {
    for (let failures = 0; ; ) {
      const before = printedBytes;
      try {
        await readOn(signal);
        return;
      } catch (error) {
        const broken = asBrokenAnswer(error);
        failures = printedBytes > before ? 1 : failures + 1;
        if (!isTransient(broken) || failures >= patientRetry.triesMax) throw broken;
        if (failures === 1) say(context, 'The connection broke; trying again.');
        await sleep(backoffMs(patientRetry, failures, api.random), signal);
      }
    }
  });
}

function open(api: ApiClient, request: LogRequest, signal: AbortSignal) {
  const { jobId, step, task, follow } = request;
  return api.stream(
    routes.getTaskLog,
    { params: { jobId, step, task }, query: { follow: follow ? 'true' : 'false' } },
    { signal, idleMsMax: follow ? FOLLOW_IDLE_MS_MAX : READ_IDLE_MS_MAX },
  );
}

/** Waits for a slow reader: a log may be larger than memory. */
function write(stream: NodeJS.WriteStream, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(bytes, (error) => (error ? reject(error) : resolve()));
  });
}
