import { TaskTurns, type Turn } from '@karst/agent/local/task-turns.ts';
import type { ResolvedParameterSpace } from '@karst/shared/openjd/resolved-job.ts';
import { describe, expect, it } from 'vitest';

const space = (range: string, targetRuntimeSeconds?: number): ResolvedParameterSpace => ({
  parameters: [
    {
      name: 'F',
      type: 'CHUNK[INT]',
      range,
      chunks: {
        defaultTaskCount: 3,
        rangeConstraint: 'CONTIGUOUS',
        ...(targetRuntimeSeconds === undefined ? {} : { targetRuntimeSeconds }),
      },
    },
  ],
  combination: 'F',
});

/** All turns, each task taking `taskMs`. */
function run(turns: TaskTurns, taskMs: number): string[] {
  const told: string[] = [];
  for (let turn = turns.next(); turn !== undefined; turn = turns.next()) {
    told.push(`${turn.first}-${turn.last}`);
    turns.finished(turn, lengthOf(turn) * taskMs);
  }
  return told;
}
const lengthOf = ({ first, last }: Turn) => last - first + 1;

describe('tasks on this machine', () => {
  it('are single where chunks are fixed', () => {
    const turns = new TaskTurns({ parameterSpace: space('1-9') }, undefined);
    expect(run(turns, 1000)).toEqual(['0-0', '1-1', '2-2']);
    expect(run(new TaskTurns({}, undefined), 1000)).toEqual(['0-0']);
  });

  it('go in chunks that grow and shrink with what they take, and bridge no gap', () => {
    const parameterSpace = space('1-40,51-100', 10);
    const quick = new TaskTurns({ parameterSpace }, undefined);
    expect(run(quick, 500)).toEqual(['0-2', '3-9', '10-29', '30-39', '40-59', '60-79', '80-89']);
    const slow = new TaskTurns({ parameterSpace }, undefined, 6);
    expect(run(slow, 20_000)).toEqual(['0-2', '3-3', '4-4', '5-5']);
  });

  it('that are chosen go together only where they follow each other', () => {
    const parameterSpace = space('1-40', 1000);
    const turns = new TaskTurns({ parameterSpace }, [5, 6, 7, 8, 20, 21, 3], 6);
    expect(run(turns, 1)).toEqual(['5-7', '8-8', '20-21']);
  });
});
