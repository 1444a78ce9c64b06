import type { Suspicion } from '../store/suspicious-store.ts';
import type { FrameSequence } from './frame-sequences.ts';

export interface MissingQuestion {
  sequences: readonly FrameSequence<{ path: string; task: number }>[];
  taskCount: number;
  succeeded: (task: number) => boolean;
  /** Whether the task, or the chunk it is in, left a picture. */
  hasPicture: (task: number) => boolean;
  /** The numbers among a task's parameters, by the parameter's name; undefined: too many to look at. */
  numbersOf: ((task: number) => ReadonlyMap<string, readonly number[]>) | undefined;
  /** Every task of the step succeeded. */
  isWhole: boolean;
}

/** Longer gaps are told as one. */
const GAP_MAX = 1000;

/**
 * Frames that should be there: numbers that lack between a sequence's first and last, and tasks that
 * left no picture though most did. Where a parameter numbers the frames, those of tasks that succeeded
 * are expected; else, once all have succeeded, those at the distance that all have in common.
 */
export function missingFrames(question: MissingQuestion): Suspicion[] {
  const found: Suspicion[] = [];
  const told = new Set<number>();
  const tasksOf = numberIndex(question);
  for (const sequence of question.sequences) {
    const parameter = numberingParameter(sequence, question.numbersOf);
    const tasks = parameter === undefined ? undefined : tasksOf(parameter);
    for (const number of gaps(sequence, tasks, question.isWhole)) {
      const task = tasks?.get(number)?.find((each) => !question.hasPicture(each));
      if (task !== undefined) told.add(task);
      found.push({
        ...(task === undefined ? {} : { task }),
        path: sequence.pathOf(number),
        frame: number,
        reason: 'missing',
        detail: `${sequence.pattern} lacks it`,
      });
    }
  }
  for (const task of withoutPicture(question)) {
    if (!told.has(task)) {
      found.push({ task, reason: 'missing', detail: 'the task succeeded and left no picture' });
    }
  }
  return found;
}

/** The parameter whose value is the number of every frame of the sequence. */
function numberingParameter(
  { frames }: MissingQuestion['sequences'][number],
  numbersOf: MissingQuestion['numbersOf'],
): string | undefined {
  const [first] = frames;
  if (first === undefined || numbersOf === undefined) return undefined;
  return [...numbersOf(first.item.task).keys()].find((name) =>
    frames.every(({ number, item }) => numbersOf(item.task).get(name)?.includes(number)),
  );
}

/** For a parameter: which tasks that succeeded have a number. */
function numberIndex({ taskCount, succeeded, numbersOf }: MissingQuestion) {
  const known = new Map<string, Map<number, number[]>>();
  return (parameter: string): Map<number, number[]> => {
    let tasks = known.get(parameter);
    if (tasks !== undefined) return tasks;
    tasks = new Map();
    for (let task = 0; task < taskCount; task++) {
      if (!succeeded(task)) continue;
      for (const number of numbersOf?.(task).get(parameter) ?? []) {
        const list = tasks.get(number);
        if (list === undefined) tasks.set(number, [task]);
        else list.push(task);
      }
    }
    known.set(parameter, tasks);
    return tasks;
  };
}

function gaps(
  { frames }: MissingQuestion['sequences'][number],
  tasks: ReadonlyMap<number, readonly number[]> | undefined,
  isWhole: boolean,
): number[] {
  const numbers = frames.map(({ number }) => number);
  const [first = 0, last = 0] = [numbers[0], numbers.at(-1)];
  const here = new Set(numbers);
  if (tasks !== undefined) {
    const expected = [...tasks.keys()].filter((number) => number > first && number < last);
    return expected.filter((number) => !here.has(number)).sort((a, b) => a - b);
  }
  if (!isWhole) return [];
  const distance = numbers.reduce((common, number) => greatestDivisor(common, number - first), 0);
  const lacking: number[] = [];
  for (let number = first; number < last && lacking.length < GAP_MAX; number += distance) {
    if (!here.has(number)) lacking.push(number);
  }
  return lacking;
}

const greatestDivisor = (a: number, b: number): number => (b === 0 ? a : greatestDivisor(b, a % b));

/** Tasks that succeeded without a picture, if at least half of all did leave one. */
function withoutPicture({ taskCount, succeeded, hasPicture }: MissingQuestion): number[] {
  const without: number[] = [];
  let done = 0;
  for (let task = 0; task < taskCount; task++) {
    if (!succeeded(task)) continue;
    done += 1;
    if (!hasPicture(task)) without.push(task);
  }
  return without.length * 2 <= done ? without : [];
}
