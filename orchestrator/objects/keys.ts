import { createHash } from 'node:crypto';
import type { JobId, StudioId } from '@karst/shared/protocol/ids.ts';

/**
 * Every object's name. All of a studio's objects lie below `studios/<studio>/`, so that one prefix
 * is all that a policy, a bill or a removal has to name. Steps and tasks are indices.
 */
export const OBJECT_KEY_BYTES_MAX = 1024;
const SEGMENT_BYTES_MAX = 64;

const studio = (id: StudioId, rest: string) => checked(`studios/${id}/${rest}`);
const job = (studioId: StudioId, jobId: JobId, rest: string) =>
  studio(studioId, `jobs/${jobId}/${rest}`);

export const objectKeys = {
  /** What the farm itself must not forget: who may. Hashes and public keys only. */
  apiKeys: 'farm/keys/',
  nodes: 'farm/nodes/',
  settings: 'farm/settings/',
  /** What studios and projects used. */
  usage: 'farm/usage.json',
  setting: (kind: string, name: string) =>
    checked(`farm/settings/${kind}/${encodeURIComponent(name)}.json`),
  /** Jobs whose deletion has begun: no rebuilt Redis gets them back. */
  tombstones: 'farm/deletions/',
  tombstone: (id: JobId) => checked(`farm/deletions/${id}.json`),
  /** Never written: an upload to it tells what storage checks. */
  checksumProbe: 'farm/checksum-probe',
  studios: 'studios/',
  studioJobs: (id: StudioId) => studio(id, 'jobs/'),
  studioPrefix: (id: StudioId) => studio(id, ''),
  assetPrefix: (id: StudioId) => studio(id, 'assets/'),
  asset: (id: StudioId, sha256: string) => studio(id, `assets/${sha256}`),

  jobPrefix: (id: StudioId, jobId: JobId) => job(id, jobId, ''),
  /** The resolved job: Redis is rebuilt from it. */
  job: (id: StudioId, jobId: JobId) => job(id, jobId, 'job.json'),
  /** How the job ended; absent while it has not. */
  jobEnd: (id: StudioId, jobId: JobId) => job(id, jobId, 'end.json'),
  /** The input manifest. */
  inputs: (id: StudioId, jobId: JobId) => job(id, jobId, 'inputs.json'),
  /** What one attempt uploads; nobody else ever writes there. */
  attemptPrefix: (id: StudioId, jobId: JobId, step: number, task: number, epoch: number) =>
    job(id, jobId, `attempts/${step}/${task}/${epoch}/`),
  attempt: (
    id: StudioId,
    jobId: JobId,
    step: number,
    task: number,
    epoch: number,
    treePath: string,
  ) => job(id, jobId, `attempts/${step}/${task}/${epoch}/${treePath}`),
  /** The accepted manifest of a task. */
  outputs: (id: StudioId, jobId: JobId, step: number, task: number) =>
    job(id, jobId, `outputs/${step}/${task}.json`),
  outputsPrefix: (id: StudioId, jobId: JobId, step: number) => job(id, jobId, `outputs/${step}/`),
  /** Details of finished tasks, a page of a step each; see history/page-name.ts. */
  history: (id: StudioId, jobId: JobId, step: number, name: string) =>
    job(id, jobId, `history/${step}/${name}.json`),
  historyPrefix: (id: StudioId, jobId: JobId, step: number) => job(id, jobId, `history/${step}/`),
  log: (id: StudioId, jobId: JobId, step: number, task: number, epoch: number) =>
    job(id, jobId, `logs/${step}/${task}/${epoch}.log`),

  /** All previews of a step; `index` tells which contact sheet and films are the present ones. */
  previewPrefix: (id: StudioId, jobId: JobId, step: number) => job(id, jobId, `previews/${step}/`),
  preview: (id: StudioId, jobId: JobId, step: number, name: string) =>
    job(id, jobId, `previews/${step}/${name}`),

  /** The studio's view: accepted outputs, browsable with any S3 tool. */
  viewPrefix: (id: StudioId, jobId: JobId) => studio(id, `outputs/${jobId}/`),
  view: (id: StudioId, jobId: JobId, stepName: string, treePath: string) =>
    studio(id, `outputs/${jobId}/${keySegment(stepName)}/${treePath}`),
} as const;

/**
 * A name people chose as one segment of a key: letters, digits and ` ._-` stay, everything else
 * becomes '_'. A name that had to be changed or cut carries a hash of the original, so that two
 * steps never share a segment.
 */
export function keySegment(name: string): string {
  const plain = name.replace(/[^\p{L}\p{N} ._-]/gu, '_').replace(/^[. ]+|[. ]+$/g, '_');
  if (plain === name && Buffer.byteLength(name) <= SEGMENT_BYTES_MAX) return name;
  const hash = createHash('sha256').update(name).digest('hex').slice(0, 8);
  return `${cutToBytes(plain, SEGMENT_BYTES_MAX - 9)}-${hash}`;
}

function cutToBytes(text: string, bytesMax: number): string {
  let cut = '';
  let bytes = 0;
  for (const character of text) {
    bytes += Buffer.byteLength(character);
    if (bytes > bytesMax) break;
    cut += character;
  }
  return cut;
}

function checked(key: string): string {
  const bytes = Buffer.byteLength(key);
  if (bytes > OBJECT_KEY_BYTES_MAX) {
    throw new RangeError(`object key has ${bytes} bytes, S3 takes ${OBJECT_KEY_BYTES_MAX}: ${key}`);
  }
  return key;
}
