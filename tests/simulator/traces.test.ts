import { readFileSync } from 'node:fs';
import { factsOf } from '@karst/orchestrator/simulator/bounds.ts';
import type { Trace } from '@karst/orchestrator/simulator/trace.ts';
import { readAlibabaNodes, readAlibabaPods } from '@karst/orchestrator/simulator/traces/alibaba.ts';
import { filmTrace } from '@karst/orchestrator/simulator/traces/film.ts';
import { readSwf } from '@karst/orchestrator/simulator/traces/swf.ts';
import type { Result } from '@karst/shared/result.ts';
import { parseFarmFile } from '@karst/shared/simulation/farm-file.ts';
import { filmFileSchema, parseFilmFile } from '@karst/shared/simulation/film-file.ts';
import { describe, expect, it } from 'vitest';

const sample = (name: string) => readFileSync(new URL(`./traces/${name}`, import.meta.url), 'utf8');
const example = (name: string) =>
  readFileSync(new URL(`../../examples/simulate/${name}`, import.meta.url), 'utf8');

function valid<T, E>(result: Result<T, E>): T {
  if (!result.ok) throw new Error(JSON.stringify(result.error));
  return result.value;
}

const problemsOf = <T>(result: Result<T, { line?: number; column?: number; message: string }[]>) =>
  result.ok ? [] : result.error.map(({ line, message }) => `${line}: ${message}`);

const jobsOf = (trace: Trace) =>
  trace.jobs.map(({ studio, project, arrivalMs, priorityClass, steps: [step] }) => ({
    studio,
    project,
    arrivalMs,
    priorityClass,
    tasks: step?.tasks,
    taskMs: step?.durations.ms(0),
    cores: step?.shape.demand?.vcpus,
    memoryMib: step?.shape.demand?.memoryMib,
    gpus: step?.shape.demand?.gpus,
  }));

describe('the Alibaba trace of 2023', () => {
  it('becomes jobs of one task, in order of arrival, the unscheduled left out', () => {
    const trace = valid(readAlibabaPods(sample('openb_pod_list.csv')));
    const usual = { project: 'default', tasks: 1 };
    expect(jobsOf(trace)).toEqual([
      {
        ...usual,
        studio: 'be',
        arrivalMs: 50_000,
        priorityClass: 'background',
        taskMs: 190_000,
        cores: 6,
        memoryMib: 12_288,
        gpus: 1,
      },
      {
        ...usual,
        studio: 'ls',
        arrivalMs: 100_000,
        priorityClass: 'normal',
        taskMs: 600_000,
        cores: 12,
        memoryMib: 16_384,
        gpus: 1,
      },
      {
        ...usual,
        studio: 'burstable',
        arrivalMs: 200_000,
        priorityClass: 'normal',
        taskMs: 20_000,
        cores: 4,
        memoryMib: 8192,
        gpus: 0,
      },
    ]);
    expect(trace.jobs[0]?.steps[0]?.shape.placement).toEqual({ gpuModels: ['V100M16', 'V100M32'] });
    expect(trace.skipped).toEqual({ 'never scheduled, run time unknown': 1 });
  });

  it('has nodes that become groups', () => {
    const groups = valid(readAlibabaNodes(sample('openb_node_list.csv')));
    expect(groups.map(({ name, count, cores, gpus }) => [name, count, cores, gpus])).toEqual([
      ['cpu-32c-256g', 1, 32, undefined],
      ['2xP100-64c-256g', 1, 64, { count: 2, model: 'P100', memoryGib: 16 }],
      ['8xV100M32-96c-768g', 2, 96, { count: 8, model: 'V100M32', memoryGib: 32 }],
    ]);
  });

  it('names the line of what is wrong, and what was expected', () => {
    const [header, line] = sample('openb_pod_list.csv').split('\n');
    expect(
      problemsOf(
        readAlibabaPods(
          [
            header,
            line,
            'x,1,2',
            line?.replace('16384', 'much'),
            '',
            line?.replace(',700,', ',70,'),
          ].join('\r\n'),
        ),
      ),
    ).toEqual([
      `3: expected 11 values (${header}), found 3`,
      '4: expected a number of at least 0 as memory_mib, found "much"',
      '6: expected creation_time <= scheduled_time <= deletion_time, found 100, 100, 70',
    ]);
    expect(problemsOf(readAlibabaPods('a,b\n1,2'))[0]).toContain('1: expected the columns name,');
    expect(problemsOf(readAlibabaPods(''))).toEqual(['1: expected a header, found nothing']);
    expect(problemsOf(readAlibabaNodes('sn,cpu_milli,memory_mib,gpu,model\nn,1,2,3,\n'))).toEqual([
      '2: expected the model of 3 GPUs, found none',
    ]);
  });
});

describe('the Standard Workload Format', () => {
  it('becomes jobs; those wider than a node, tasks of several', () => {
    const trace = valid(readSwf(sample('tiny.swf'), { coresMax: 24 }));
    const usual = { priorityClass: 'normal', gpus: 0, studio: 'group-3' };
    expect(jobsOf(trace)).toEqual([
      {
        ...usual,
        project: 'user-7',
        arrivalMs: 0,
        tasks: 1,
        taskMs: 100_000,
        cores: 4,
        memoryMib: 8,
      },
      {
        ...usual,
        project: 'user-8',
        arrivalMs: 30_000,
        tasks: 3,
        taskMs: 50_000,
        cores: 22,
        memoryMib: 0,
      },
    ]);
    expect(trace.skipped).toEqual({ 'no run time or no processors': 1 });
  });

  it('names the line of what is wrong, and what was expected', () => {
    const line = '1 0 5 100 4 -1 2048 4 200 -1 1 7 3 1 1 -1 -1 -1';
    const text = [
      '; header',
      '1 2 3',
      line,
      line.replace('100', 'long'),
      line.replace('1 0', '1 -1'),
    ];
    expect(problemsOf(readSwf(text.join('\n'), { coresMax: 8 }))).toEqual([
      '2: expected 18 fields, found 3',
      '4: expected a number as field 4 (run time), found "long"',
      '5: expected a submit time of at least 0, found -1',
    ]);
    const endless = problemsOf(readSwf('nonsense\n'.repeat(1000), { coresMax: 8 }));
    expect(endless.length).toBe(20);
  });
});

describe('a synthetic film', () => {
  const film = valid(parseFilmFile(example('film.yaml')));

  it('is the same for the same seed, and another for another', () => {
    const [one, again, other] = [1, 1, 2].map((seed) => JSON.stringify(filmTrace(film, seed)));
    expect(again).toBe(one);
    expect(other).not.toBe(one);
  });

  it('has about as many tasks as asked for, within its days, in hours at which people work', () => {
    const trace = filmTrace(film, 3);
    const { tasks, lastArrivalMs } = factsOf(trace, valid(parseFarmFile(example('farm.yaml'))));
    expect(Math.abs(tasks / film.tasks - 1)).toBeLessThan(0.1);
    expect(lastArrivalMs).toBeLessThan(film.days * 86_400_000);
    const hours = trace.jobs.map(({ arrivalMs }) => (arrivalMs / 3_600_000) % 24);
    const atWork = hours.filter((hour) => hour >= 9 && hour <= 19).length;
    expect(atWork / hours.length).toBeGreaterThan(0.9);
    const weekend = trace.jobs.filter(({ arrivalMs }) => (arrivalMs / 86_400_000) % 7 >= 5).length;
    expect(weekend / hours.length).toBeLessThan(0.15);
  });

  it('has frames that are alike within a shot and unlike between shots', () => {
    const spread = (values: number[]) => {
      const mean = values.reduce((a, b) => a + b, 0) / values.length;
      return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
    };
    const wide = filmFileSchema.parse({
      days: 5,
      tasks: 60_000,
      layers: [{ name: 'beauty', medianMinutes: 60, frameSigma: 0.2 }],
      shows: [{ studio: 'aurora', project: 'tide', shotSigma: 0.6, draftPercent: 0 }],
    });
    const logs = filmTrace(wide, 1).jobs.flatMap(({ steps }) =>
      steps.map(({ tasks, durations }) =>
        Array.from({ length: tasks }, (_, task) => Math.log(durations.ms(task))),
      ),
    );
    const within = logs.map(spread);
    expect(within.reduce((a, b) => a + b, 0) / within.length).toBeCloseTo(0.2, 1);
    const means = logs.map((each) => each.reduce((a, b) => a + b, 0) / each.length);
    expect(spread(means)).toBeGreaterThan(0.45);
    const medianMs = Math.exp(means.toSorted((a, b) => a - b)[means.length >> 1] ?? 0);
    expect(Math.abs(medianMs / 3_600_000 - 1)).toBeLessThan(0.25);
  });

  it('reaches 3.12 million tasks at 80 to 95 % load on the bench farm', () => {
    const bench = filmTrace(valid(parseFilmFile(example('bench-film.yaml'))), 1);
    const farm = valid(parseFarmFile(example('bench-farm.yaml')));
    const { tasks, work, lastArrivalMs } = factsOf(bench, farm);
    expect(tasks).toBeGreaterThanOrEqual(3_120_000);
    for (const load of [work.cores / 38_400, work.gpus / 1200]) {
      expect(load / lastArrivalMs).toBeGreaterThan(0.8);
      expect(load / lastArrivalMs).toBeLessThan(0.95);
    }
  });
});

describe('the files', () => {
  it('tell every problem with its line and column', () => {
    const farm = [
      'halfLifeHours: soon',
      'nodes:',
      '  - {name: a, count: 1, slots: 1, cores: 1, memoryGib: 1}',
      '  - {name: a, count: 0, slot: 1, cores: 1, memoryGib: 1}',
    ].join('\n');
    const told = parseFarmFile(farm);
    expect(
      told.ok ? [] : told.error.map(({ line, column, message }) => [line, column, message]),
    ).toEqual([
      [1, 16, 'expected a number, found the text "soon"'],
      [4, 5, 'the key "slots" is missing; expected a number'],
      [4, 22, 'expected at least 1, found the integer 0'],
      [4, 25, expect.stringContaining('unknown key "slot"; did you mean "slots"?')],
    ]);
    const twice = farm
      .replace('soon', '2')
      .replace('count: 0, slot:', 'count: 1, leavesAtHours: 0, slots:');
    expect(problemsOf(parseFarmFile(twice))).toEqual([
      '4: expected names once each, found "a" twice',
      '4: expected more than joinsAtHours (0), found 0',
    ]);
    const film = example('film.yaml')
      .replace('after: all', 'after: [beauty]')
      .replace('deadlineDay: 9', 'deadlineDay: -13');
    expect(problemsOf(parseFilmFile(film)).map((each) => each.replace(/^\d+: /, ''))).toEqual([
      'expected a layer that stands above "comp", found "beauty"',
      'expected a show between day 0 and 14, found one from -12 to -13',
    ]);
  });
});
