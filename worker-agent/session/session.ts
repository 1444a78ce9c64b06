import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { parseFormatString, referencesOf } from '@karst/shared/openjd/format-string.ts';
import { taskParameters } from '@karst/shared/openjd/parameter-space.ts';
import {
  type ResolvedAction,
  resolveAction,
  resolveEmbeddedFiles,
  type SessionValues,
} from '@karst/shared/openjd/resolve-task.ts';
import type { ResolvedJob, ResolvedStep } from '@karst/shared/openjd/resolved-job.ts';
import type { LeaseDefinition } from '@karst/shared/protocol/lease.ts';
import type { OutputLocation } from '../outputs/output-location.ts';

/**
 * A working directory on this node in which tasks of one step run, one after the other.
 * `<dir>/files/` is the job's file tree, `<dir>/embedded/` holds the step's embedded files,
 * `<dir>/tmp/` is the tasks' TMPDIR. Not tied to a lease, so that several spans of a step can share it.
 */
export class Session {
  readonly dir: string;
  readonly filesDir: string;
  readonly tmpDir: string;
  readonly step: ResolvedStep;
  /** Where results of the step are looked for. */
  readonly outputs: readonly OutputLocation[];
  readonly #job: ResolvedJob;
  readonly #values: SessionValues;

  constructor(dir: string, definition: LeaseDefinition) {
    this.dir = dir;
    this.filesDir = join(dir, 'files');
    this.tmpDir = join(dir, 'tmp');
    this.step = definition.definition;
    this.#job = {
      name: definition.jobName,
      parameters: definition.parameters,
      steps: [definition.definition],
    };
    const embedded = this.step.script.embeddedFiles;
    this.#values = {
      workingDirectory: dir,
      files: Object.fromEntries(
        embedded.map(({ name, filename }) => [name, join(dir, 'embedded', filename)]),
      ),
      hasPathMappingRules: false,
      pathMappingRulesFile: join(dir, 'path_mapping.json'),
      pathParameterValues: Object.fromEntries(
        Object.entries(definition.locations).map(([name, at]) => [name, join(this.filesDir, at)]),
      ),
    };
    this.outputs = outputLocations(definition, this.filesDir);
  }

  /** Makes the directories. Inputs are brought in afterwards; output directories exist by then. */
  async open(): Promise<void> {
    await mkdir(this.tmpDir, { recursive: true, mode: 0o700 });
    if (this.step.script.embeddedFiles.length > 0) {
      await mkdir(join(this.dir, 'embedded'), { mode: 0o700 });
    }
    if (scriptTexts(this.step).some((text) => text.includes('PathMappingRulesFile'))) {
      await writeFile(this.#values.pathMappingRulesFile, '{}', { mode: 0o600 });
    }
    for (const { path, objectType } of this.outputs) {
      await mkdir(objectType === 'DIRECTORY' ? path : dirname(path), { recursive: true });
    }
  }

  /** The command of task `index`. */
  action(index: number): ResolvedAction {
    return resolveAction(this.#job, this.step, this.#parameters(index), this.#values);
  }

  /** Writes the embedded files for task `index` anew: the last task may have changed them. */
  async writeEmbeddedFiles(index: number): Promise<void> {
    const { length } = this.step.script.embeddedFiles;
    if (length === 0) return;
    const files = resolveEmbeddedFiles(this.#job, this.step, this.#parameters(index), this.#values);
    for (const { filename, runnable, data } of files) {
      const path = join(this.dir, 'embedded', filename);
      await rm(path, { force: true, recursive: true });
      await writeFile(path, data, { mode: runnable ? 0o700 : 0o600, flag: 'wx' });
    }
  }

  /** Removes everything. A process that escaped may still write there, hence the repeats. */
  async close(): Promise<void> {
    await rm(this.dir, { recursive: true, force: true, maxRetries: 3 });
  }

  #parameters(index: number) {
    return taskParameters(this.step.parameterSpace, index);
  }
}

const scriptTexts = ({ script }: ResolvedStep): string[] => [
  script.onRun.command,
  ...script.onRun.args,
  ...script.embeddedFiles.map(({ data }) => data),
];

function outputLocations(definition: LeaseDefinition, filesDir: string): OutputLocation[] {
  const referenced = new Set(
    scriptTexts(definition.definition).flatMap((text) => {
      const format = parseFormatString(text);
      return format.ok ? referencesOf(format.value) : [];
    }),
  );
  const locations: OutputLocation[] = [];
  for (const [parameter, location] of Object.entries(definition.locations)) {
    const { dataFlow, objectType = 'DIRECTORY' } = definition.parameters[parameter] ?? {};
    if (dataFlow !== 'OUT' && dataFlow !== 'INOUT') continue;
    const required = dataFlow === 'OUT' && referenced.has(`Param.${parameter}`);
    locations.push({ parameter, location, path: join(filesDir, location), objectType, required });
  }
  return locations;
}
