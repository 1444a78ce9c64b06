import { isAdaptive } from './adaptive-parameter.ts';
import { type ChunkValues, chunkValues } from './chunk-values.ts';
import type { ResolvedParameterSpace, ResolvedSpacePart } from './resolved-job.ts';
import { partOf } from './space-parts.ts';

/** How the tasks of a step whose chunks adapt may be put together. */
export interface AdaptiveChunks {
  readonly name: string;
  /** Values of a chunk before anything is measured. */
  readonly defaultTaskCount: number;
  readonly targetRuntimeSeconds: number;
  /**
   * The last task that a chunk may have which begins with task `first`: all have the same values of
   * the other parameters, none was added later than another and, when CONTIGUOUS, there is no gap.
   */
  readonly reach: (first: number) => number;
  /** What the chunk of tasks `first` to `last` is called. */
  readonly textOf: (first: number, last: number) => string;
}

// A stored job's space is opened once and then asked for its chunks one by one.
const opened = new WeakMap<ResolvedParameterSpace, AdaptiveChunks>();
const openedValues = new WeakMap<ResolvedSpacePart, ChunkValues>();

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
  /** The values beside `task`, and where among them its own stands. */
  const placeOf = (task: number) => {
    const part = partOf(space, task);
    const values = valuesOf(part.space);
    // Creation makes the chunked parameter the one that varies fastest.
    return { values, position: (task - part.first) % Number(values.length) };
  };
  const reach = (first: number): number => {
    const { values, position } = placeOf(first);
    return first - position + Number(values.reach(BigInt(position)));
  };
  const textOf = (first: number, last: number): string => {
    const { values, position } = placeOf(first);
    return values.textOf(BigInt(position), BigInt(position + last - first));
  };
  const open = { name, defaultTaskCount, targetRuntimeSeconds, reach, textOf };
  opened.set(space, open);
  return open;
}

function valuesOf(part: ResolvedSpacePart): ChunkValues {
  const known = openedValues.get(part);
  if (known !== undefined) return known;
  const parameter = part.parameters.find(isAdaptive);
  if (parameter === undefined) throw new Error('not a resolved space: a part lost its chunks');
  const values = chunkValues(parameter);
  openedValues.set(part, values);
  return values;
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
