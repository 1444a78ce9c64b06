import type { FarmFile } from '@karst/shared/simulation/farm-file.ts';
import { factsOf } from './bounds.ts';
import { Engine } from './engine.ts';
import { Recorder } from './metrics/recorder.ts';
import { makePolicy } from './policies/make-policy.ts';
import type { PolicyName } from './policies/policy.ts';
import { farmReport, policyReport, type Report, type RunResult, traceReport } from './report.ts';
import type { Trace } from './trace.ts';

const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
/** Between samples: the first of these of which no more than so many pass while work arrives. */
const sampleStepsMs = [1, 10, 60, 300, 1800, 3600, 3 * 3600, 12 * 3600].map((s) => s * SECOND_MS);
const SAMPLES_MAX = 2500;

export interface SimulateOptions {
  seed: number;
  policies: readonly PolicyName[];
  /** Told when a policy's run begins. */
  starts?: (policy: PolicyName) => void;
}

export interface Simulation {
  report: Report;
  /** What the report was made of, for plots. */
  runs: { policy: PolicyName; result: RunResult }[];
}

export const sampleMsFor = (lastArrivalMs: number): number =>
  sampleStepsMs.find((ms) => lastArrivalMs / ms <= SAMPLES_MAX) ?? 24 * HOUR_MS;

/** Every policy over the same trace, the same failures and the same task times. Pure. */
export function simulate(farm: FarmFile, trace: Trace, options: SimulateOptions): Simulation {
  const { seed } = options;
  const facts = factsOf(trace, farm);
  const sampleMs = sampleMsFor(facts.lastArrivalMs);
  const runs = options.policies.map((name) => {
    options.starts?.(name);
    const recorder = new Recorder(farm);
    const policy = makePolicy(name, farm);
    const engine = new Engine({ farm, trace, seed, policy, observer: recorder, sampleMs });
    const { lastEndMs: endMs, stoppedAtMs } = engine.run();
    // The last, part interval.
    recorder.tick(stoppedAtMs);
    return { policy: name, result: { recorder, endMs } };
  });
  const reports = runs.map(({ policy, result }) => [policy, policyReport(farm, facts, result)]);
  return {
    report: {
      seed,
      farm: farmReport(farm),
      trace: traceReport(trace, farm, facts),
      policies: Object.fromEntries(reports),
    },
    runs,
  };
}
