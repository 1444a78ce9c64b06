import { adaptedTaskCount } from '@karst/shared/openjd/adaptive-chunks.ts';

export interface ChunkSizeFacts {
  /** What the template asks for before anything is measured. */
  defaultTaskCount: number;
  targetRuntimeSeconds: number;
  /** Finished tasks of the step, and the run time of their chunks together, ms. */
  measuredTasks: number;
  measuredMs: number;
  /** Tasks not yet in a chunk. */
  remaining: number;
  /** Slots that could run this step. */
  slots: number;
}

/**
 * How many tasks the next chunk of a step should have: the template's number until run times are
 * known, then as many as take the target run time. Towards the end no more than each slot's share of
 * what is left, so that the slots end together; but that never makes chunks smaller than the template
 * asked for. 1 to `tasksMax`.
 */
export function chunkSize(facts: ChunkSizeFacts, tasksMax: number): number {
  const { defaultTaskCount, targetRuntimeSeconds, measuredTasks, measuredMs } = facts;
  const inTime = adaptedTaskCount(defaultTaskCount, targetRuntimeSeconds, {
    finishedTaskCount: measuredTasks,
    // Timers are coarser than the quickest chunks.
    finishedSeconds: Math.max(measuredMs, 1) / 1000,
  });
  const share = Math.ceil(facts.remaining / Math.max(facts.slots, 1));
  return Math.max(1, Math.min(inTime, Math.max(share, defaultTaskCount), tasksMax));
}
