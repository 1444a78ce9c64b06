import { taskCount, tasksOf } from '@karst/shared/openjd/parameter-space.ts';
import type {
  ResolvedParameterSpace,
  ResolvedTaskParameter,
} from '@karst/shared/openjd/resolved-job.ts';
import { tasksWith } from '@karst/shared/openjd/tasks-with.ts';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

const parameters: ResolvedTaskParameter[] = [
  { name: 'Frame', type: 'INT', range: '1-6:2,10' },
  { name: 'Cam', type: 'STRING', values: ['left', 'right', 'left', 'top'] },
  { name: 'Scale', type: 'FLOAT', values: ['0.5', '1'] },
  {
    name: 'Chunk',
    type: 'CHUNK[INT]',
    range: '1-10',
    chunks: { defaultTaskCount: 4, rangeConstraint: 'CONTIGUOUS' },
  },
  {
    name: 'Adaptive',
    type: 'CHUNK[INT]',
    range: '1-3,8-10',
    chunks: { defaultTaskCount: 4, targetRuntimeSeconds: 60, rangeConstraint: 'CONTIGUOUS' },
  },
];
const named = (...names: string[]) => parameters.filter(({ name }) => names.includes(name));

function selected(space: ResolvedParameterSpace | undefined, values: Record<string, string>) {
  const selection = tasksWith(space, values);
  if (!selection.ok) return selection.error.map(({ message }) => message);
  return [...selection.value];
}

describe('tasks with a value', () => {
  const product = { parameters: named('Frame', 'Scale'), combination: 'Frame * Scale' };
  const inStep = { parameters: named('Frame', 'Cam'), combination: '(Frame, Cam)' };
  const chunked = { parameters: named('Scale', 'Chunk'), combination: 'Scale * Chunk' };
  const adaptive = { parameters: named('Scale', 'Adaptive'), combination: 'Scale * Adaptive' };
  test.each<[string, ResolvedParameterSpace, Record<string, string>, unknown[]]>([
    ['of the first parameter', product, { Frame: '3' }, [2, 3]],
    ['of the last parameter', product, { Scale: '1' }, [1, 3, 5, 7]],
    ['of both', product, { Frame: '10', Scale: '0.5' }, [6]],
    ['of none: all', product, {}, [0, 1, 2, 3, 4, 5, 6, 7]],
    ['written otherwise', product, { Frame: '+03', Scale: '1.0' }, [3]],
    ['that does not occur', product, { Frame: '2' }, []],
    ['that is no number', product, { Frame: 'x' }, []],
    ['beyond int64', product, { Frame: '9223372036854775808' }, []],
    ['in step with others', inStep, { Cam: 'left' }, [0, 2]],
    ['in step, of both', inStep, { Cam: 'left', Frame: '5' }, [2]],
    ['in step, of both, never together', inStep, { Cam: 'top', Frame: '5' }, []],
    ['in a chunk', chunked, { Chunk: '6' }, [1, 4]],
    ['that is a chunk', chunked, { Chunk: '5-7', Scale: '1' }, [4]],
    ['that is part of a chunk', chunked, { Chunk: '5-6' }, []],
    ['outside every chunk', chunked, { Chunk: '11' }, []],
    ['where chunks adapt', adaptive, { Adaptive: '8' }, [3, 9]],
    ['where chunks adapt, several', adaptive, { Adaptive: '2-3', Scale: '1' }, [7, 8]],
    ['where chunks adapt, across a gap', adaptive, { Adaptive: '3,8', Scale: '0.5' }, [2, 3]],
    ['where chunks adapt, one missing', adaptive, { Adaptive: '3-8' }, []],
    [
      'of an unknown parameter',
      product,
      { Fram: '1' },
      ['the step has no task parameter "Fram"; did you mean "Frame"? (expected Frame, Scale)'],
    ],
  ])('%s', (_title, space, values, wanted) => {
    expect(selected(space, values)).toEqual(wanted);
  });

  test('a step without a space has its one task', () => {
    expect(selected(undefined, {})).toEqual([0]);
    expect(selected(undefined, { A: '1' })).toEqual([expect.stringContaining('no parameters')]);
  });

  test('frame 42 of 10^12 tasks is found at once, and its tasks come one by one', () => {
    const space: ResolvedParameterSpace = {
      parameters: [
        { name: 'Frame', type: 'INT', range: '1-1000000' },
        { name: 'Tile', type: 'INT', range: '1-1000000' },
      ],
      combination: 'Frame * Tile',
    };
    const found = tasksWith(space, { Frame: '42' });
    if (!found.ok) throw new Error('refused');
    const first: number[] = [];
    for (const index of found.value) {
      first.push(index);
      if (first.length === 3) break;
    }
    expect(first).toEqual([41_000_000, 41_000_001, 41_000_002]);
    expect(found.value.has(41_999_999)).toBe(true);
    expect(found.value.has(42_000_000)).toBe(false);
    expect(found.value.has(-1)).toBe(false);
  });

  test('are just those a walk over all tasks finds, in any space', () => {
    const values = fc.record(
      {
        Frame: fc.constantFrom('1', '3', '5', '10', '2'),
        Cam: fc.constantFrom('left', 'right', 'top', 'none'),
        Scale: fc.constantFrom('0.5', '1'),
      },
      { requiredKeys: [] },
    );
    const combinations = [
      'Frame * Cam * Scale',
      'Scale * Frame * Cam',
      '(Frame, Cam) * Scale',
      'Scale * (Cam, Frame)',
    ];
    fc.assert(
      fc.property(fc.constantFrom(...combinations), values, (combination, wanted) => {
        const space = { parameters: named('Frame', 'Cam', 'Scale'), combination };
        const asked = Object.fromEntries(Object.entries(wanted));
        const walked = [...tasksOf(space)].flatMap((task, index) =>
          Object.entries(asked).every(([name, value]) => task[name]?.value === value)
            ? [index]
            : [],
        );
        const found = tasksWith(space, asked);
        if (!found.ok) throw new Error('refused');
        expect([...found.value]).toEqual(walked);
        for (let index = 0; index < taskCount(space); index++) {
          expect(found.value.has(index)).toBe(walked.includes(index));
        }
        expect(found.value.has(taskCount(space))).toBe(false);
      }),
    );
  });
});
