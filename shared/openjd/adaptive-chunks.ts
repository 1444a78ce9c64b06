import { type ChunkValues, chunkValues } from './chunk-values.ts';
import type { ChunkedParameter } from './chunks.ts';
import type { ResolvedParameterSpace, ResolvedTaskParameter } from './resolved-job.ts';

/** A chunked parameter with a target. */
export type AdaptiveParameter = ChunkedParameter & { chunks: { targetRuntimeSeconds: number } };

/**
 * Whether a parameter's chunks are cut while the job runs, each of the size that measured run times
 * tell. The step's tasks are then the single values, and a chunk is a run of tasks.
 */
export const isAdaptive = (parameter: ResolvedTaskParameter): parameter is AdaptiveParameter =>
  parameter.type === 'CHUNK[INT]' && parameter.chunks.targetRuntimeSeconds !== undefined;

/** How the tasks of a step whose chunks adapt may be put together. */
export interface AdaptiveChunks {
  readonly name: string;
  readonly values: ChunkValues;
  /** Values of a chunk before anything is measured. */
  readonly defaultTaskCount: number;
  readonly targetRuntimeSeconds: number;
  /**
   * The last task that a chunk may have which begins with task `first`: all have the same values of
   * the other parameters and, when CONTIGUOUS, no gap between their own.
   */
  readonly reach: (first: number) => number;
}

// A stored job's space is opened once and then asked for its chunks one by one.
const opened = new WeakMap<ResolvedParameterSpace, AdaptiveChunks>();

/** Undefined for a step whose chunks, if it has any, are fixed. */
export function adaptiveChunks(
  space: ResolvedParameterSpace | undefined,
): AdaptiveChunks | undefined {
  const parameter = space?.parameters.find(isAdaptive);
  if (space === undefined || parameter === undefined) return undefined;
  const known = opened.get(space);
  if (known !== undefined) return known;
  const { name, chunks } = parameter;
  const { defaultTaskCount, targetRuntimeSeconds } = chunks;
  const values = chunkValues(parameter);
  // Creation makes the chunked parameter the one that varies fastest.
  const length = Number(values.length);
  const reach = (first: number): number => {
    const position = first % length;
    return first - position + Number(values.reach(BigInt(position)));
  };
  const open = { name, values, defaultTaskCount, targetRuntimeSeconds, reach };
  opened.set(space, open);
  return open;
}

export interface ChunkMeasurement {
  /** Values in the chunks that have finished, and the seconds these took together. */
  readonly finishedTaskCount: number;
  readonly finishedSeconds: number;
}

/** Until this many values have finished, a larger size counts for a quarter only. */
const cautiousTaskCount = 10;

/**
 * How many values the next chunk should have so that it takes about `targetRuntimeSeconds`, from
 * what finished chunks took. Without a target, or before anything has finished, `current` stays.
 */
export function adaptedTaskCount(
  current: number,
  targetRuntimeSeconds: number | undefined,
  { finishedTaskCount, finishedSeconds }: ChunkMeasurement,
): number {
  if (targetRuntimeSeconds === undefined || targetRuntimeSeconds <= 0) return current;
  if (finishedTaskCount <= 0 || !(finishedSeconds > 0)) return current;
  const ideal = targetRuntimeSeconds / (finishedSeconds / finishedTaskCount);
  const cautious = finishedTaskCount < cautiousTaskCount && ideal > current;
  const next = cautious ? 0.75 * current + 0.25 * ideal : ideal;
  return Math.max(1, Math.min(Math.floor(next), Number.MAX_SAFE_INTEGER));
}
