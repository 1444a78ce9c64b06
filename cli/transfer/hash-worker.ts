import { parentPort } from 'node:worker_threads';
import { type HashJob, type HashOutcome, hashRange } from './hash-range.ts';

/** What a thread tells: bytes read since it last did, and at the end of a batch its outcomes. */
export type WorkerNews =
  | { kind: 'bytes'; bytes: number }
  | { kind: 'done'; outcomes: HashOutcome[]; bytes: number };

const TELL_EVERY_BYTES = 16 * 1024 * 1024;

const post = (news: WorkerNews) => parentPort?.postMessage(news);

parentPort?.on('message', (jobs: HashJob[]) => {
  let untold = 0;
  const onBytes = (bytes: number) => {
    untold += bytes;
    if (untold < TELL_EVERY_BYTES) return;
    post({ kind: 'bytes', bytes: untold });
    untold = 0;
  };
  const outcomes = jobs.map((job) => hashRange(job, onBytes));
  post({ kind: 'done', outcomes, bytes: untold });
});
