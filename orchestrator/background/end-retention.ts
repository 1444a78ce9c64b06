import type { Clock } from '@karst/shared/clock.ts';
import { type StudioId, studioIdSchema } from '@karst/shared/protocol/ids.ts';
import type { Random } from '@karst/shared/random.ts';
import type { Logger } from 'pino';
import { isPastRetention, shortestRetentions } from '../domain/retention.ts';
import { type DeleteParts, deleteJob } from '../jobs/delete-job.ts';
import type { FarmSettings } from '../settings/farm-settings.ts';
import type { Redis } from '../store/connection.ts';
import type { JobStore } from '../store/job-store.ts';
import { keys } from '../store/keys.ts';
import { underLock } from './job-lock.ts';
import type { Pass } from './pass.ts';

/** Jobs looked at in one run; the next goes on behind them. */
const JOBS_PER_RUN_MAX = 500;
const JOBS_AT_ONCE = 50;

export interface EndRetentionParts extends DeleteParts {
  redis: Redis;
  jobs: JobStore;
  settings: FarmSettings;
  clock: Clock;
  random: Random;
  logger: Logger;
  /** Jobs wait for their objects to be deleted. */
  deleted(): void;
  periodMs: number;
}

/**
 * Deletes jobs that ended longer ago than their project keeps them. Looks at jobs of studios that keep
 * some for a time only, oldest first; a round of all of them may take several runs.
 */
export function endRetentionPass(parts: EndRetentionParts): Pass {
  const { jobs, settings, clock, logger } = parts;
  /** Where the round stands: studios ahead, and how many of the first one's jobs have been kept. */
  let ahead: StudioId[] = [];
  let kept = 0;

  /** Looks at the next jobs of a studio; answers how many there were. */
  async function look(studio: StudioId, createdBeforeMs: number): Promise<number> {
    const found = await jobs.listOldest(studio, createdBeforeMs, kept, JOBS_AT_ONCE);
    for (const job of found) {
      if (job === undefined) continue;
      const isOver = isPastRetention(settings.storageSettings(), job, clock.nowMs());
      if (isOver && (await deleteJob(parts, job))) {
        logger.info({ job: job.id, project: job.project }, 'job deleted: its retention has ended');
        parts.deleted();
      } else kept += 1;
    }
    return found.length;
  }

  async function round(): Promise<void> {
    const shortest = shortestRetentions(settings.storageSettings());
    if (ahead.length === 0) ahead = [...shortest.keys()].map((name) => studioIdSchema.parse(name));
    for (let looked = 0; looked < JOBS_PER_RUN_MAX; ) {
      const [studio] = ahead;
      if (studio === undefined) return;
      const keptMs = shortest.get(studio);
      const found = keptMs === undefined ? 0 : await look(studio, clock.nowMs() - keptMs);
      looked += found;
      if (found === JOBS_AT_ONCE) continue;
      ahead.shift();
      kept = 0;
    }
  }

  return {
    name: 'end-retention',
    periodMs: parts.periodMs,
    async runOnce() {
      await underLock(parts, keys.retentionLock(), round);
    },
  };
}
