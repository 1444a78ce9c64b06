import type { Job } from '@karst/shared/protocol/job.ts';
import { previewRoutes } from '@karst/shared/protocol/preview-routes.ts';
import type { SuspiciousFrame } from '@karst/shared/protocol/previews.ts';
import type { ApiClient } from '../api/client.ts';
import { count, plainText } from '../terminal/text.ts';

const NAMED_MAX = 20;

/** Names a job's suspicious frames: the first 20, and how many more there are. */
export async function suspiciousLines(api: ApiClient, job: Job): Promise<[string, string][]> {
  if (job.suspiciousFrames === undefined) return [];
  const params = { jobId: job.id };
  const { total, items } = await api.call(previewRoutes.listSuspiciousFrames, { params });
  const named = items.slice(0, NAMED_MAX);
  const lines = named.map((frame): [string, string] => ['', plainText(lineOf(frame))]);
  const more = total - named.length;
  return [
    ['Suspicious', count(total, 'frame')],
    ...lines,
    ...(more > 0 ? [['', `and ${more} more`] satisfies [string, string]] : []),
  ];
}

function lineOf({ step, task, path, reason, detail }: SuspiciousFrame): string {
  const who = [step, task === undefined ? '' : `task ${task}`].filter(Boolean).join(' ');
  return `${reason}: ${path ?? who} (${path === undefined ? '' : `${who}; `}${detail})`;
}
