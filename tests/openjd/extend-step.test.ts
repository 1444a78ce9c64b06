import { adaptiveChunks } from '@karst/shared/openjd/adaptive-chunks.ts';
import { commonValue } from '@karst/shared/openjd/common-value.ts';
import { type AddedRanges, extendStep } from '@karst/shared/openjd/extend-step.ts';
import { nthInRange, parseIntRange } from '@karst/shared/openjd/int-range.ts';
import {
  chunkParameters,
  taskCount,
  taskParameters,
  tasksOf,
} from '@karst/shared/openjd/parameter-space.ts';
import {
  type ResolvedParameterSpace,
  type ResolvedStep,
  type ResolvedTaskParameter,
  resolvedJobSchema,
} from '@karst/shared/openjd/resolved-job.ts';
import { partsOf } from '@karst/shared/openjd/space-parts.ts';
import { tasksWith } from '@karst/shared/openjd/tasks-with.ts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

const chunks = (targetRuntimeSeconds?: number) => ({
  defaultTaskCount: 3,
  rangeConstraint: 'CONTIGUOUS' as const,
  ...(targetRuntimeSeconds === undefined ? {} : { targetRuntimeSeconds }),
});
const frame: ResolvedTaskParameter = { name: 'Frame', type: 'INT', range: '1-4' };
const look: ResolvedTaskParameter = { name: 'Look', type: 'STRING', values: ['day', 'dusk'] };
const gain: ResolvedTaskParameter = { name: 'Gain', type: 'FLOAT', values: ['1.0', '2.0'] };

function stepWith(parameters: ResolvedTaskParameter[], combination: string): ResolvedStep {
  const parameterSpace: ResolvedParameterSpace = { parameters, combination };
  return {
    name: 'Render',
    dependsOn: [],
    taskCount: taskCount(parameterSpace),
    parameterSpace,
    script: {
      onRun: { command: 'true', args: [], cancelation: { mode: 'TERMINATE' } },
      embeddedFiles: [],
    },
  };
}

const room = { tasks: 0, tasksMax: 1_000_000 };

function extended(step: ResolvedStep, ...all: AddedRanges[]): ResolvedStep {
  return all.reduce((before, ranges) => {
    const result = extendStep(before, ranges, room);
    if (!result.ok) throw new Error(result.error[0]?.message);
    return result.value.step;
  }, step);
}

const texts = ({ parameterSpace }: ResolvedStep) =>
  [...tasksOf(parameterSpace)].map((task) =>
    Object.values(task)
      .map(({ value }) => value)
      .join(' '),
  );

describe('a step that tasks are added to', () => {
  it('has them behind those it had, with the values it began with of all other parameters', () => {
    const step = stepWith([frame, look], 'Look * Frame');
    const more = extended(step, { Frame: '7,6' }, { Look: ['night'], Frame: '1' });
    expect(texts(more)).toEqual([...texts(step), '6 day', '7 day', '6 dusk', '7 dusk', '1 night']);
    expect(more.taskCount).toBe(13);
    expect(extendStep(more, { Look: ['noon'] }, room)).toMatchObject({
      value: { first: 13, last: 16 },
    });
    const job = { name: 'j', parameters: {}, steps: [more] };
    expect(resolvedJobSchema.parse(JSON.parse(JSON.stringify(job)))).toEqual(job);
  });

  it('keeps the chunks of each addition apart', () => {
    const fixed = stepWith(
      [{ name: 'Frame', type: 'CHUNK[INT]', range: '1-5', chunks: chunks() }],
      'Frame',
    );
    expect(texts(extended(fixed, { Frame: '6-11' }, { Frame: [12] }))).toEqual([
      '1-3',
      '4-5',
      '6-8',
      '9-11',
      '12-12',
    ]);
    const adaptive = extended(
      stepWith(
        [look, { name: 'Frame', type: 'CHUNK[INT]', range: '1-5', chunks: chunks(60) }],
        'Look * Frame',
      ),
      { Frame: '6-7' },
    );
    const reach = adaptiveChunks(adaptive.parameterSpace)?.reach;
    expect([0, 4, 5, 10, 12].map((task) => reach?.(task))).toEqual([4, 4, 9, 11, 13]);
    expect(chunkParameters(adaptive.parameterSpace, 12, 13)).toEqual({
      Look: { type: 'STRING', value: 'dusk' },
      Frame: { type: 'CHUNK[INT]', value: '6-7' },
    });
    expect(() => chunkParameters(adaptive.parameterSpace, 9, 10)).toThrow('may end at 9');
  });

  const kinds = fc.constantFrom('int', 'fixed', 'adaptive', 'in step');
  /** Numbers of frames, each addition behind the last or in a gap of it. */
  const additions = fc.array(
    fc.tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 3 })),
    {
      minLength: 1,
      maxLength: 5,
    },
  );

  function stepOf(kind: string, range: string): ResolvedStep {
    if (kind === 'int')
      return stepWith([{ name: 'Frame', type: 'INT', range }, look], 'Frame * Look');
    if (kind === 'in step') {
      const seed: ResolvedTaskParameter = { name: 'Seed', type: 'INT', range };
      return stepWith([{ name: 'Frame', type: 'INT', range }, seed, look], 'Look * (Frame, Seed)');
    }
    const cut = chunks(kind === 'fixed' ? undefined : 60);
    return stepWith(
      [look, { name: 'Frame', type: 'CHUNK[INT]', range, chunks: cut }],
      'Look * Frame',
    );
  }

  it('leaves what was there as it was, and every task is found by its values', () => {
    fc.assert(
      fc.property(kinds, additions, (kind, parts) => {
        let next = 1;
        const ranges = parts.map(([count, stride]) => {
          const first = next;
          next = first + (count - 1) * stride + 1;
          return `${first}-${next - 1}:${stride}`;
        });
        let step = stepOf(kind, ranges[0] ?? '1');
        for (const range of ranges.slice(1)) {
          const before = texts(step);
          step = extended(
            step,
            kind === 'in step' ? { Frame: range, Seed: range } : { Frame: range },
          );
          expect(texts(step).slice(0, before.length)).toEqual(before);
          expect(step.taskCount).toBe(taskCount(step.parameterSpace));
        }
        const { parameterSpace: space } = step;
        const all = [...tasksOf(space)];
        expect(new Set(texts(step)).size).toBe(all.length);
        for (let value = 1; value < next; value++) {
          const found = tasksWith(space, { Frame: String(value), Look: 'dusk' });
          const wanted = all.flatMap(({ Frame, Look }, index) => {
            const range = parseIntRange(Frame?.value ?? '');
            const has = range.ok && [...numbersOf(Frame?.value ?? '')].includes(value);
            return has && Look?.value === 'dusk' ? [index] : [];
          });
          expect(found.ok && [...found.value]).toEqual(wanted);
          expect(wanted.every((index) => found.ok && found.value.has(index))).toBe(true);
        }
        const any = tasksWith(space, {});
        expect(any.ok && [...any.value]).toEqual([...all.keys()]);
        expect(any.ok && any.value.has(all.length)).toBe(false);
        const cut = adaptiveChunks(space);
        if (space === undefined || cut === undefined) return;
        for (const { first, taskCount: size } of partsOf(space)) {
          for (let task = first; task < first + size; task++) {
            const last = cut.reach(task);
            expect(last >= task && last < first + size).toBe(true);
            const alone = [...numbersOf(chunkParameters(space, task, last).Frame?.value ?? '')];
            const single = Array.from({ length: last - task + 1 }, (_, i) =>
              Number(taskParameters(space, task + i).Frame?.value),
            );
            expect(alone).toEqual(single);
          }
        }
      }),
    );
  });
});

function* numbersOf(text: string): Generator<number> {
  const range = parseIntRange(text);
  if (!range.ok) throw new Error(range.error.message);
  for (let i = 0n; i < range.value.length; i++) yield Number(nthInRange(range.value, i));
}

describe('what two parameters have in common', () => {
  const span = fc.tuple(fc.integer({ min: 0, max: 9 }), fc.nat(40), fc.integer({ min: 1, max: 9 }));
  /** Spans one behind the other. */
  const range = fc.array(span, { minLength: 1, maxLength: 4 }).map((spans) => {
    let from = -20;
    const parts = spans.map(([gap, length, step]) => {
      const first = from + gap;
      from = first + length + 1;
      return `${first}-${first + length}:${step}`;
    });
    return parts.join(',');
  });
  const parameter = fc.oneof(
    range.map((text): ResolvedTaskParameter => ({ name: 'A', type: 'INT', range: text })),
    fc
      .uniqueArray(fc.integer({ min: -20, max: 60 }), { minLength: 1, maxLength: 5 })
      .map(
        (values): ResolvedTaskParameter => ({ name: 'A', type: 'INT', values: values.map(String) }),
      ),
  );
  const listed = (one: ResolvedTaskParameter) =>
    'values' in one ? one.values.map(Number) : [...numbersOf(one.range)];

  it('is found wherever there is any', () => {
    fc.assert(
      fc.property(parameter, parameter, (one, other) => {
        const both = listed(one).filter((value) => listed(other).includes(value));
        const found = commonValue(one, other);
        if (both.length === 0) expect(found).toBeUndefined();
        else expect(both).toContain(Number(found));
      }),
      { numRuns: 2000 },
    );
  });

  it('does not depend on how large the ranges are, nor on how a number is written', () => {
    const of = (text: string): ResolvedTaskParameter => ({ name: 'A', type: 'INT', range: text });
    expect(commonValue(of('0-1000000000000:6'), of('3-1000000000000:6'))).toBeUndefined();
    expect(commonValue(of('1-9000000000:999983'), of('2-9000000000:7'))).toBe('2999950');
    expect(commonValue(gain, { ...gain, values: ['3', '2.00'] })).toBe('2.0');
  });
});

describe('what is refused', () => {
  const chunked: ResolvedTaskParameter = {
    name: 'Chunk',
    type: 'CHUNK[INT]',
    range: '1-5',
    chunks: chunks(),
  };
  it.each<[string, ResolvedTaskParameter[], string, AddedRanges, string, string]>([
    [
      'a name that is none',
      [frame],
      'Frame',
      { Fram: '5' },
      'ranges.Fram',
      'did you mean "Frame"?',
    ],
    ['nothing', [frame], 'Frame', {}, 'ranges', 'expected new values of Frame, found none'],
    ['a broken range', [frame], 'Frame', { Frame: '9-5' }, 'ranges.Frame', 'counts down from 9'],
    ['a range twice', [frame], 'Frame', { Frame: '5,5' }, 'ranges.Frame', 'overlap'],
    ['no values', [frame], 'Frame', { Frame: [] }, 'ranges.Frame', 'expected 1 to 1024 values'],
    ['a fraction', [frame], 'Frame', { Frame: [5, 5.5] }, 'ranges.Frame.1', 'expected an integer'],
    [
      'text where a list belongs',
      [look],
      'Look',
      { Look: 'night' },
      'ranges.Look',
      'a list of STRING',
    ],
    ['a float that is none', [gain], 'Gain', { Gain: ['x'] }, 'ranges.Gain.0', 'a finite number'],
    ['a chunk twice', [chunked], 'Chunk', { Chunk: [7, 7] }, 'ranges.Chunk.1', 'listed twice'],
    [
      'what is there',
      [frame, look],
      'Frame * Look',
      { Frame: '4-6' },
      'ranges.Frame',
      '"Render" has such a task already: Frame 4, Look day',
    ],
    [
      'a chunk of which a part is there',
      [chunked],
      'Chunk',
      { Chunk: '5-9' },
      'ranges.Chunk',
      'Chunk 5',
    ],
    [
      'lengths that differ',
      [frame, { ...frame, name: 'Seed' }],
      '(Frame, Seed)',
      { Frame: '5-9' },
      'ranges',
      'Frame has 5 and Seed has 4',
    ],
    ['too many', [frame], 'Frame', { Frame: '5-2000000' }, 'ranges', 'would have 1999996 tasks'],
  ])('%s', (_, parameters, combination, ranges, path, message) => {
    const result = extendStep(stepWith(parameters, combination), ranges, room);
    if (result.ok) throw new Error('it was taken');
    expect(result.error.map((problem) => problem.path.join('.'))).toEqual([path]);
    expect(result.error[0]?.message).toContain(message);
  });

  it('a value of any addition, not only of the beginning', () => {
    const step = extended(stepWith([frame], 'Frame'), { Frame: '10-20:5' });
    expect(extendStep(step, { Frame: '11-14' }, room).ok).toBe(true);
    const again = extendStep(step, { Frame: '12-19' }, room);
    expect(again.ok ? '' : again.error[0]?.message).toContain('Frame 15');
  });

  it('a step without parameters, and additions without end', () => {
    const { parameterSpace: _none, ...single } = stepWith([frame], 'Frame');
    expect(extendStep(single, { Frame: '5' }, room)).toMatchObject({ error: [{ path: ['step'] }] });
    const frames = Array.from({ length: 100 }, (_, i) => ({ Frame: String(i + 5) }));
    const full = extended(stepWith([frame], 'Frame'), ...frames);
    expect(full.taskCount).toBe(104);
    const result = extendStep(full, { Frame: '500' }, room);
    expect(result.ok ? '' : result.error[0]?.message).toContain('100 times already');
  });
});
