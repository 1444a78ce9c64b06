import { frameSequences } from '@karst/orchestrator/previews/frame-sequences.ts';
import { missingFrames } from '@karst/orchestrator/previews/missing-frames.ts';
import { expect, it } from 'vitest';

const files = (...paths: string[]) => paths.map((path, task) => ({ path, task }));
const found = (...paths: string[]) => {
  const { sequences, single } = frameSequences(files(...paths));
  return {
    sequences: sequences.map(({ pattern, frames }) => [
      pattern,
      frames.map(({ number }) => number),
    ]),
    single: single.map(({ path }) => path),
  };
};

it('finds files whose paths differ in one number, in the order of the numbers', () => {
  expect(found('v2/f_0010.png', 'v2/f_0009.png', 'v2/f_0011.png', 'still.png')).toEqual({
    sequences: [['v2/f_####.png', [9, 10, 11]]],
    single: ['still.png'],
  });
  expect(found('f_9.exr', 'f_10.exr').sequences).toEqual([['f_#.exr', [9, 10]]]);
  expect(found('a_1.png', 'b_1.png')).toEqual({ sequences: [], single: ['a_1.png', 'b_1.png'] });
});

it('takes the number that changes most for the frame, whichever place it has', () => {
  const tiles = ['0001', '0002', '0003'].flatMap((f) => [`f_${f}_tile_1.png`, `f_${f}_tile_2.png`]);
  expect(found(...tiles).sequences).toEqual([
    ['f_####_tile_1.png', [1, 2, 3]],
    ['f_####_tile_2.png', [1, 2, 3]],
  ]);
});

it('makes the path another frame would have', () => {
  const [one] = frameSequences(files('s01/f_0001.png', 's01/f_0003.png')).sequences;
  expect(one?.pathOf(2)).toBe('s01/f_0002.png');
  expect(one?.pathOf(12345)).toBe('s01/f_12345.png');
});

/** Tasks with one frame each; those whose path is undefined left no picture. */
function missing(
  tasks: readonly { frame: number; path?: string; failed?: true }[],
  { byParameter = true } = {},
) {
  const pictures = tasks.flatMap(({ path }, task) => (path === undefined ? [] : [{ path, task }]));
  return missingFrames({
    sequences: frameSequences(pictures).sequences,
    taskCount: tasks.length,
    succeeded: (task) => tasks[task]?.failed !== true,
    hasPicture: (task) => tasks[task]?.path !== undefined,
    numbersOf: byParameter ? (task) => new Map([['Frame', [tasks[task]?.frame ?? 0]]]) : undefined,
    isWhole: tasks.every(({ failed }) => failed !== true),
  }).map(({ task, path, frame }) => ({ task, path, frame }));
}
const made = (...frames: number[]) => frames.map((frame) => ({ frame, path: `f_${frame}.png` }));

it('a frame that a task which succeeded should have made is missing, and the task is named once', () => {
  expect(missing([...made(1, 2), { frame: 3 }, ...made(4)])).toEqual([
    { task: 2, path: 'f_3.png', frame: 3 },
  ]);
  // At the end of a sequence only the task tells.
  expect(missing([...made(1, 2, 3), { frame: 4 }])).toEqual([
    { task: 3, path: undefined, frame: undefined },
  ]);
});

it('every second frame is no gap, and a task that failed owes no picture', () => {
  expect(missing(made(1, 3, 5, 7))).toEqual([]);
  expect(missing(made(1, 3, 7), { byParameter: false })).toEqual([
    { task: undefined, path: 'f_5.png', frame: 5 },
  ]);
  expect(missing([...made(1), { frame: 2, failed: true }, ...made(3)])).toEqual([]);
  expect(
    missing([...made(1, 2), { frame: 3, failed: true }, ...made(4)], { byParameter: false }),
  ).toEqual([]);
});

it('where most tasks leave no picture, none is missing', () => {
  expect(missing([...made(1), { frame: 2 }, { frame: 3 }])).toEqual([]);
});
