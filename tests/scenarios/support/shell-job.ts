import type { Marks } from './marks.ts';

export interface ShellStep {
  /** Default: Render. */
  name?: string;
  /** Shell text; $1 is the marks' directory, $2 the task's number, $3 the output directory. */
  script: string;
  /** Task numbers as a range expression from 0, so that numbers are indices. Default: 0. */
  range?: string;
  dependsOn?: readonly string[];
  /** Tasks write below the output directory; one that does not has failed. */
  writes?: boolean;
  timeoutSeconds?: number;
  /** OpenJD's hostRequirements. */
  hostRequirements?: object;
  cancelation?: { mode: 'NOTIFY_THEN_TERMINATE'; notifyPeriodInSeconds: number };
}

/** A job template whose tasks are pieces of shell. */
export function shellJob(marks: Marks, steps: readonly ShellStep[], name = 'scenario'): string {
  const out = { name: 'Out', type: 'PATH', objectType: 'DIRECTORY', dataFlow: 'OUT' };
  const writes = steps.some((step) => step.writes);
  return JSON.stringify({
    specificationVersion: 'jobtemplate-2023-09',
    name,
    parameterDefinitions: [
      { name: 'Marks', type: 'STRING', default: marks.dir },
      ...(writes ? [{ ...out, default: 'out' }] : []),
    ],
    steps: steps.map(shellStep),
  });
}

function shellStep(step: ShellStep): object {
  const args = ['-c', step.script, 'task', '{{Param.Marks}}', '{{Task.Param.N}}'];
  if (step.writes) args.push('{{Param.Out}}');
  return {
    name: step.name ?? 'Render',
    ...(step.dependsOn === undefined
      ? {}
      : { dependencies: step.dependsOn.map((dependsOn) => ({ dependsOn })) }),
    hostRequirements: step.hostRequirements,
    parameterSpace: {
      taskParameterDefinitions: [{ name: 'N', type: 'INT', range: step.range ?? '0' }],
    },
    script: {
      actions: {
        onRun: {
          command: '/bin/sh',
          args,
          timeout: step.timeoutSeconds,
          cancelation: step.cancelation,
        },
      },
    },
  };
}
