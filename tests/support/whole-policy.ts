import type { PolicyValues } from '@karst/shared/protocol/policy-fields.ts';

/** A policy that says everything one can say; about a step Render that depends on Preview. */
export const wholePolicy: Required<PolicyValues> = {
  priorityClass: 'urgent',
  placement: {
    pool: 'gpu',
    regions: ['eu'],
    avoidNodes: ['n1'],
    software: { blender: '>=4.2' },
    maxLatencyMs: { shanghai: 20 },
    maxPrices: { gpuHour: 2, coreHour: 0.05 },
  },
  limits: ['nuke'],
  maxTasks: 5,
  maxNodes: 2,
  priority: 80,
  maxRetriesPerTask: 7,
  maxFailedTasks: 9,
  failureRules: [{ name: 'licence', log: 'no licence', steps: ['Render'], as: 'farm' }],
  poisonNodes: 4,
  silentSeconds: 600,
  onSilent: 'retry',
  preemptible: false,
  preemptGraceSeconds: 60,
  rerunSlowTasks: true,
  steps: {
    Preview: {
      previews: { make: false, framesPerSecond: 12 },
      outputs: [{ files: 'look/*.png', collect: true }],
    },
    Render: {
      hold: true,
      frameDependencies: [{ step: 'Preview', on: 'PreviewFrame' }],
      outputs: [
        { files: '{{Param.OutputDir}}/a_####.png', frames: 'Frame', minBytes: 100, decode: 'full' },
      ],
    },
  },
};
