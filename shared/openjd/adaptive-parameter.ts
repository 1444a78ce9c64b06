import type { ChunkedParameter } from './chunks.ts';
import type { ResolvedTaskParameter } from './resolved-job.ts';

/** A chunked parameter with a target. */
export type AdaptiveParameter = ChunkedParameter & { chunks: { targetRuntimeSeconds: number } };

/**
 * Whether a parameter's chunks are cut while the job runs, each of the size that measured run times
 * tell. The step's tasks are then the single values, and a chunk is a run of tasks.
 */
export const isAdaptive = (parameter: ResolvedTaskParameter): parameter is AdaptiveParameter =>
  parameter.type === 'CHUNK[INT]' && parameter.chunks.targetRuntimeSeconds !== undefined;
