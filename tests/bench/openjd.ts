import { parseArgs } from 'node:util';
import { createJob } from '@karst/shared/openjd/create-job.ts';
import { taskCount, taskParameters } from '@karst/shared/openjd/parameter-space.ts';
import { parseTemplate } from '@karst/shared/openjd/parse-template.ts';
import type { ResolvedJob } from '@karst/shared/openjd/resolved-job.ts';
import type { JobTemplate } from '@karst/shared/openjd/types.ts';
import { percentile, rounded } from './process-cpu.ts';

/** What a studio submits: parameters, environments, requirements, a script of some lines. */
const source = `specificationVersion: jobtemplate-2023-09
extensions: [TASK_CHUNKING, FEATURE_BUNDLE_1]
name: "Render {{Param.Shot}}"
parameterDefinitions:
  - {name: Shot, type: STRING, default: sh010, minLength: 1, maxLength: 64}
  - {name: Scene, type: PATH, objectType: FILE, dataFlow: IN, default: scene.blend}
  - {name: Output, type: PATH, objectType: DIRECTORY, dataFlow: OUT, default: frames}
  - {name: Frames, type: STRING, default: "1-240"}
  - {name: Samples, type: INT, default: 128, minValue: 1, maxValue: 4096}
  - {name: Engine, type: STRING, default: CYCLES, allowedValues: [CYCLES, EEVEE]}
jobEnvironments:
  - name: Blender
    variables: {BLENDER_SHOT: "{{Param.Shot}}"}
    script:
      actions:
        onEnter: {command: bash, args: ["{{Env.File.Start}}"], timeout: 600}
        onExit: {command: bash, args: ["{{Env.File.Stop}}"]}
      embeddedFiles:
        - {name: Start, type: TEXT, data: "blender -b {{Param.Scene}} &"}
        - {name: Stop, type: TEXT, data: "kill %1"}
steps:
  - name: Render
    hostRequirements:
      amounts: [{name: amount.worker.vcpu, min: 4}, {name: amount.worker.memory, min: 8192}]
      attributes: [{name: attr.worker.os.family, anyOf: [linux]}]
    parameterSpace:
      taskParameterDefinitions:
        - {name: Frame, type: INT, range: "{{Param.Frames}}"}
        - {name: Tile, type: INT, range: "0-3"}
    script:
      actions:
        onRun:
          command: bash
          args: ["{{Task.File.Run}}", "{{Task.Param.Frame}}"]
          timeout: 3600
          cancelation: {mode: NOTIFY_THEN_TERMINATE, notifyPeriodInSeconds: 30}
      embeddedFiles:
        - name: Run
          type: TEXT
          filename: run.sh
          data: |
            set -eu
            frame --number {{Task.Param.Frame}} --tile {{Task.Param.Tile}} \\
              --samples {{Param.Samples}} --engine {{Param.Engine}} --out {{Param.Output}}
  - name: Film
    dependencies: [{dependsOn: Render}]
    bash: {script: "ffmpeg -i {{Param.Output}}/%04d.png {{Param.Output}}/film.mp4"}
`;

/** Frames by tiles: 10^12 tasks, in chunks or not. */
const hugeSource = (chunked: boolean) => `specificationVersion: jobtemplate-2023-09
${chunked ? 'extensions: [TASK_CHUNKING]' : ''}
name: Huge
steps:
  - name: Render
    parameterSpace:
      taskParameterDefinitions:
        - {name: Tile, type: INT, range: "1-${chunked ? 1_000_000_000 : 1_000_000}"}
        - name: Frame
          range: "1-1000000"
          ${chunked ? 'type: CHUNK[INT]\n          chunks: {defaultTaskCount: 1000, rangeConstraint: CONTIGUOUS}' : 'type: INT'}
    script: {actions: {onRun: {command: render, args: ["{{Task.Param.Frame}}"]}}}
`;

function parsed(text: string): JobTemplate {
  const result = parseTemplate(text);
  if (!result.ok) throw new Error(JSON.stringify(result.error));
  return result.value.template;
}

function made(template: JobTemplate, values: Record<string, string> = {}): ResolvedJob {
  const result = createJob(template, values);
  if (!result.ok) throw new Error(JSON.stringify(result.error));
  return result.value;
}

/** How often `work` runs in a second, after code is compiled: the median of rounds. */
function perSecond(rounds: number, times: number, work: (turn: number) => void): number {
  for (let turn = 0; turn < times; turn++) work(turn);
  const rates: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const startMs = performance.now();
    for (let turn = 0; turn < times; turn++) work(turn);
    rates.push((times / (performance.now() - startMs)) * 1000);
  }
  return Math.round(percentile(rates, 0.5));
}

function indexPerSecond(rounds: number, chunked: boolean): number {
  const space = made(parsed(hugeSource(chunked))).steps[0]?.parameterSpace;
  const count = taskCount(space);
  if (count !== 1e12) throw new Error(`expected 10^12 tasks, found ${count}`);
  return perSecond(rounds, 20_000, (turn) => {
    taskParameters(space, (turn * 7_919_777_777) % count);
  });
}

/**
 * What the job language costs: templates parsed and validated from YAML in a second; tasks of a
 * space of 10^12 found by index in a second; milliseconds to make a job of a million tasks.
 */
export async function run(args: string[]): Promise<unknown> {
  const { values } = parseArgs({ args, options: { rounds: { type: 'string', default: '7' } } });
  const rounds = Number(values.rounds);
  const template = parsed(source);
  const createPerSecond = perSecond(rounds, 200, () => {
    made(template, { Frames: '1-250000' });
  });
  return {
    validatePerSecond: perSecond(rounds, 100, () => {
      parsed(source);
    }),
    indexPerSecond: indexPerSecond(rounds, false),
    chunkIndexPerSecond: indexPerSecond(rounds, true),
    createMillionMs: rounded(1000 / createPerSecond, 3),
  };
}
