import { neededTasks, waitingTasks } from '@karst/orchestrator/domain/frame-needs.ts';
import { createJob } from '@karst/shared/openjd/create-job.ts';
import { validateTemplate } from '@karst/shared/openjd/parse-template.ts';
import { frameLinks } from '@karst/shared/protocol/frame-dependencies.ts';
import type { FrameDependency } from '@karst/shared/protocol/job.ts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

type Definition = Record<string, unknown>;

const frame = (range: string, name = 'Frame'): Definition => ({ name, type: 'INT', range });
const chunked = (range: string, defaultTaskCount: number, rangeConstraint = 'CONTIGUOUS') => ({
  name: 'Frame',
  type: 'CHUNK[INT]',
  range,
  chunks: { defaultTaskCount, rangeConstraint },
});

/** Step B depends on step A. */
function pair(a: Definition[], b: Definition[]) {
  const step = (name: string, definitions: Definition[], rest: object) => ({
    name,
    ...rest,
    parameterSpace: { taskParameterDefinitions: definitions },
    script: { actions: { onRun: { command: 'true' } } },
  });
  const template = validateTemplate({
    specificationVersion: 'jobtemplate-2023-09',
    extensions: ['TASK_CHUNKING'],
    name: 'pair',
    steps: [step('A', a, {}), step('B', b, { dependencies: [{ dependsOn: 'A' }] })],
  });
  if (!template.ok) throw new Error(JSON.stringify(template.error));
  const job = createJob(template.value, {});
  if (!job.ok) throw new Error(JSON.stringify(job.error));
  const [one, other] = job.value.steps;
  if (one === undefined || other === undefined) throw new Error('a step is missing');
  return { job: job.value, a: one, b: other };
}

function linked(a: Definition[], b: Definition[], given: FrameDependency = { step: 'A' }) {
  const made = pair(a, b);
  const links = frameLinks(made.job, made.b, [given]);
  if (!links.ok) throw new Error(JSON.stringify(links.error));
  const [link] = links.value;
  if (link === undefined) throw new Error('no link');
  const [own, other] = [made.b.parameterSpace, made.a.parameterSpace];
  return {
    ...made,
    waiting: (first: number, last = first) => waitingTasks(link, own, other, { first, last }),
    needs: (task: number) => neededTasks([link], () => other, own, task),
  };
}

const problemsOf = (a: Definition[], b: Definition[], given: FrameDependency[]) => {
  const { job, b: step } = pair(a, b);
  const links = frameLinks(job, step, given);
  return links.ok
    ? []
    : links.error.map(({ path, message }) => `${path.slice(3).join('.')}: ${message}`);
};

describe('what a task waits for', () => {
  it('is the task of its own frame, whatever its number', () => {
    const { waiting, needs } = linked([frame('1-10')], [frame('2-10:2')]);
    expect(needs(0)).toEqual([{ dependency: 0, first: 1, last: 1 }]);
    expect(waiting(1)).toEqual([0]);
    expect(waiting(0)).toEqual([]);
    expect(waiting(0, 9)).toEqual([0, 1, 2, 3, 4]);
  });

  it('is every tile of its frame', () => {
    const tile = { name: 'Tile', type: 'STRING', range: ['a', 'b', 'c'] };
    const tiles = linked([frame('1-4'), tile], [frame('1-4')]);
    expect(tiles.needs(2)).toEqual([{ dependency: 0, first: 6, last: 8 }]);
    expect(tiles.waiting(7)).toEqual([2]);
    const across = linked([tile, frame('1-4')], [frame('1-4')]);
    expect(across.needs(2)).toEqual([2, 6, 10].map((n) => ({ dependency: 0, first: n, last: n })));
  });

  it('is all frames of its chunk, and the chunk that holds its frame', () => {
    const { waiting, needs } = linked([frame('1-9')], [chunked('1-9', 3)]);
    expect(needs(1)).toEqual([{ dependency: 0, first: 3, last: 5 }]);
    expect(waiting(2, 3)).toEqual([0, 1]);
    const other = linked([chunked('1-9', 3)], [frame('1-9')]);
    expect(other.needs(5)).toEqual([{ dependency: 0, first: 1, last: 1 }]);
    expect(other.waiting(1)).toEqual([3, 4, 5]);
    const loose = linked([frame('-2-4')], [chunked('-2,0,3,4', 2, 'NONCONTIGUOUS')]);
    expect(loose.needs(0)).toEqual([0, 2].map((n) => ({ dependency: 0, first: n, last: n })));
    const single = linked([chunked('-2-2', 1)], [frame('-2-2')]);
    expect(single.needs(0)).toEqual([{ dependency: 0, first: 0, last: 0 }]);
    expect(single.waiting(0, 4)).toEqual([0, 1, 2, 3, 4]);
  });

  it('is the whole step where that lacks a frame', () => {
    const { needs, waiting } = linked([frame('1-3')], [frame('1-5')]);
    expect(needs(4)).toEqual([{ dependency: 0, all: true }]);
    expect(waiting(0, 2)).toEqual([0, 1, 2]);
  });

  it('goes by parameters of other names', () => {
    const given = { step: 'A', parameter: 'Shot', on: 'Frame' };
    const { needs } = linked([frame('5-9')], [frame('1-9', 'Shot'), frame('1-2', 'Take')], given);
    expect(needs(10)).toEqual([{ dependency: 0, first: 1, last: 1 }]);
  });

  it('needs whatever it is found waiting by, and the other way round', () => {
    const range = fc
      .tuple(fc.integer({ min: -9, max: 9 }), fc.nat(12), fc.integer({ min: 1, max: 3 }))
      .map(([from, length, step]) => `${from}-${from + length}:${step}`);
    const space = fc.oneof(
      range.map((text) => [frame(text)]),
      range.map((text) => [frame(text), { name: 'Tile', type: 'STRING', range: ['a', 'b'] }]),
      fc
        .tuple(
          range,
          fc.integer({ min: 1, max: 4 }),
          fc.constantFrom('CONTIGUOUS', 'NONCONTIGUOUS'),
        )
        .map((of) => [chunked(...of)]),
    );
    fc.assert(
      fc.property(space, space, (one, other) => {
        const { a, b, needs, waiting } = linked(one, other);
        const needed = Array.from({ length: b.taskCount }, (_, task) => needs(task));
        for (let task = 0; task < a.taskCount; task++) {
          const found = new Set(waiting(task));
          for (const [waits, all] of needed.entries()) {
            const isNeeded = all.some(
              (need) => 'first' in need && need.first <= task && task <= need.last,
            );
            if (isNeeded) expect(found.has(waits), `${waits} waits for ${task}`).toBe(true);
            else if (found.has(waits)) expect(all).toEqual([{ dependency: 0, all: true }]);
          }
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe('frame dependencies are refused', () => {
  const frames = [frame('1-3')];

  it('on steps that the template does not let it wait for, and twice', () => {
    expect(
      problemsOf(frames, frames, [{ step: 'a' }, { step: 'B' }, { step: 'A' }, { step: 'A' }]),
    ).toEqual(
      [
        '0.step: "B" does not depend on "a" in the template; did you mean "A"? (A)',
        '1.step: "B" does not depend on "B" in the template; did you mean "A"? (A)',
        '3.step: "A" is there twice',
      ].map((line) => `frameDependencies.${line}`),
    );
  });

  it('by parameters there are not, of the wrong type, or that nobody can tell', () => {
    const more = [
      frame('1-3'),
      frame('1-2', 'Take'),
      { name: 'Tile', type: 'STRING', range: ['a'] },
    ];
    expect(problemsOf(more, more, [{ step: 'A' }])[0]).toContain('found Frame, Take: name it');
    expect(problemsOf([frame('1-3', 'F')], frames, [{ step: 'A' }])[0]).toContain('found none');
    expect(problemsOf(more, more, [{ step: 'A', parameter: 'Fram' }])).toEqual([
      'frameDependencies.0.parameter: "B" has no INT or CHUNK[INT] parameter "Fram"; did you mean "Frame"? (expected Frame, Take)',
    ]);
    expect(problemsOf(more, more, [{ step: 'A', parameter: 'Take', on: 'Tile' }])[0]).toContain(
      'frameDependencies.0.on: "A" has no INT or CHUNK[INT] parameter "Tile"',
    );
  });
});
