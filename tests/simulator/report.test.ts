import { readFileSync } from 'node:fs';
import {
  Fairness,
  jainIndex,
  satisfactions,
} from '@karst/orchestrator/simulator/metrics/fairness.ts';
import { Histogram } from '@karst/orchestrator/simulator/metrics/histogram.ts';
import { plotsOf } from '@karst/orchestrator/simulator/plots/plots.ts';
import { policyNames } from '@karst/orchestrator/simulator/policies/policy.ts';
import { simulate } from '@karst/orchestrator/simulator/simulate.ts';
import { filmTrace } from '@karst/orchestrator/simulator/traces/film.ts';
import { farmFileSchema, parseFarmFile } from '@karst/shared/simulation/farm-file.ts';
import { parseFilmFile } from '@karst/shared/simulation/film-file.ts';
import { XMLValidator } from 'fast-xml-parser';
import { describe, expect, it } from 'vitest';
import { cpuNodes, farmOf, gpuNodes, traceOf } from './support/world.ts';

const example = (name: string) =>
  readFileSync(new URL(`../../examples/simulate/${name}`, import.meta.url), 'utf8');

describe('a report', () => {
  it('is the same, byte for byte, for the same seed, and another for another', () => {
    const farm = parseFarmFile(example('farm.yaml'));
    const film = parseFilmFile(example('film.yaml').replace('tasks: 40000', 'tasks: 4000'));
    if (!farm.ok || !film.ok) throw new Error('the examples are not valid');
    const texts = [7, 7, 8].map((seed) => {
      const simulation = simulate(farm.value, filmTrace(film.value, seed), {
        seed,
        policies: policyNames,
      });
      for (const svg of plotsOf(simulation).values()) expect(XMLValidator.validate(svg)).toBe(true);
      return JSON.stringify([simulation.report, ...plotsOf(simulation)]);
    });
    expect(texts[1]).toBe(texts[0]);
    expect(texts[2]).not.toBe(texts[0]);
  });

  it('says what the farm did: by hand for two nodes and five tasks', () => {
    const farm = farmOf({
      patienceMinutes: 10,
      nodes: [cpuNodes(1, { slots: 1, cores: 4 }), gpuNodes(1, { slots: 1, cores: 4 })],
    });
    const gpu = { gpus: 2, cores: 4 };
    const trace = traceOf([
      { steps: [{ tasks: 2, seconds: 1800, demand: gpu }] },
      {
        steps: [
          { tasks: 2, seconds: 600, demand: { cores: 2 } },
          { seconds: 60, dependsOn: [0] },
        ],
      },
      { arrivalMs: 3_600_000, steps: [{ seconds: 1 }] },
    ]);
    const { report } = simulate(farm, trace, { seed: 1, policies: ['karst', 'fifo'] });
    const { karst } = report.policies;
    expect(report.trace).toMatchObject({ jobs: 3, steps: 4, tasks: 6 });
    expect(karst?.tasks).toEqual({ total: 6, succeeded: 6, failed: 0, canceled: 0, stranded: 0 });
    // 0, 1800 on the GPUs; 0, 600 on the other; the last two at once.
    expect(karst?.waitSeconds).toMatchObject({ p50: 0, max: 1800, mean: 400 });
    expect(karst?.allocation).toEqual({ byCount: 0.8333, byCardHours: 0.5 });
    expect(karst?.utilisation.gpus).toBeCloseTo(1);
    expect(karst?.utilisation.slots).toBeCloseTo((3600 + 1260) / 7200, 3);
    expect(karst?.makespan).toMatchObject({ hours: 1, idealHours: 1, ratio: 1 });
    expect(karst?.turnaroundSeconds.max).toBe(3600);
    expect(report.policies.fifo).toEqual(karst);
  });

  it('gives quantiles to 1.1 % and the mean exactly', () => {
    const histogram = new Histogram();
    for (let n = 1; n <= 10_000; n++) histogram.add(n * 1000);
    for (const q of [0.1, 0.5, 0.95, 0.99]) {
      expect(Math.abs(histogram.quantileMs(q) / (q * 10_000_000) - 1)).toBeLessThan(0.011);
    }
    expect(histogram.meanMs).toBe(5_000_500);
    expect(new Histogram().quantileMs(0.5)).toBe(0);
  });

  it('entitles studios to the part of their weight while several wait, and only then', () => {
    const fairness = new Fairness((studio) => (studio === 'heavy' ? 3 : 1));
    // Alone: nobody is owed anything.
    fairness.backlog('heavy', true, 0);
    fairness.rate('heavy', 100, 0);
    // From 10 s on both wait: 40 + 60 core-seconds a second, to be shared 3 to 1.
    fairness.backlog('light', true, 10_000);
    fairness.rate('heavy', -60, 10_000);
    fairness.rate('light', 60, 10_000);
    fairness.backlog('light', false, 20_000);
    const shares = fairness.sample(50_000);
    expect(shares.get('heavy')).toEqual({ used: 2600, served: 400, entitled: 750 });
    expect(shares.get('light')).toEqual({ used: 2400, served: 600, entitled: 250 });
    const satisfied = satisfactions(new Map(), shares);
    expect(jainIndex([...satisfied.values()])).toBeCloseTo(0.712, 3);
    expect([jainIndex([1, 1, 1]), jainIndex([1, 0]), jainIndex([])]).toEqual([1, 0.5, undefined]);
  });

  it('needs no farm file to be more than nodes', () => {
    expect(farmFileSchema.safeParse({ nodes: [cpuNodes(1)] }).success).toBe(true);
  });
});
