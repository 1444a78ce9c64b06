import type { Job } from '@karst/shared/protocol/job.ts';
import { terminalJobStates } from '@karst/shared/protocol/job.ts';
import type { StorageSettings } from '@karst/shared/protocol/storage-settings.ts';

const DAY_MS = 86_400_000;

type Settings = ReadonlyMap<string, StorageSettings>;

/** How long ended jobs of a project are kept, ms; undefined: for ever. */
export function retentionMs(
  settings: Settings,
  { studio, project }: Pick<Job, 'studio' | 'project'>,
): number | undefined {
  const own = settings.get(`${studio}/${project}`)?.retentionDays;
  const days = own === undefined ? settings.get(studio)?.retentionDays : own;
  return days === undefined || days === null ? undefined : days * DAY_MS;
}

/** Whether the job ended longer ago than its project keeps jobs. */
export function isPastRetention(
  settings: Settings,
  job: Pick<Job, 'studio' | 'project' | 'state' | 'endedAt'>,
  nowMs: number,
): boolean {
  const keptMs = retentionMs(settings, job);
  if (keptMs === undefined || job.endedAt === undefined) return false;
  return terminalJobStates.has(job.state) && Date.parse(job.endedAt) + keptMs <= nowMs;
}

/** Studios that keep the jobs of some project for a time only, and the shortest such time, ms. */
export function shortestRetentions(settings: Settings): Map<string, number> {
  const shortest = new Map<string, number>();
  for (const [name, { retentionDays }] of settings) {
    if (retentionDays === undefined || retentionDays === null) continue;
    const [studio = ''] = name.split('/');
    const before = shortest.get(studio) ?? Number.POSITIVE_INFINITY;
    shortest.set(studio, Math.min(before, retentionDays * DAY_MS));
  }
  return shortest;
}
