import { mkdir, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import {
  resolveEnvironmentAction,
  resolveEnvironmentFiles,
  resolveEnvironmentVariables,
} from '@karst/shared/openjd/environments.ts';
import { taskParameters } from '@karst/shared/openjd/parameter-space.ts';
import {
  type ResolvedAction,
  type ResolvedFile,
  resolveAction,
  resolveEmbeddedFiles,
  type SessionValues,
} from '@karst/shared/openjd/resolve-task.ts';
import type {
  ResolvedEnvironment,
  ResolvedJob,
  ResolvedStep,
  TaskParameters,
} from '@karst/shared/openjd/resolved-job.ts';
import type { EnvironmentActionName } from '@karst/shared/openjd/types.ts';
import type { OutputLocation } from '../outputs/output-location.ts';
import { mapPath, type PathMappingRule, pathMappingText, treeRules } from './path-mapping.ts';
import { Secrets } from './secrets.ts';
import type { SessionDefinition } from './session-definition.ts';
import { outputLocations } from './session-outputs.ts';
import { SessionVariables } from './session-variables.ts';

/**
 * A working directory on this node in which tasks of one step run, one after the other, within the
 * environments of job and step. `<dir>/files/` is the job's file tree, `<dir>/embedded/` holds the
 * step's embedded files, `<dir>/environments/<n>/` those of the environments, `<dir>/tmp/` is TMPDIR.
 * Not tied to a lease, so that several spans of a step can share it.
 */
export class Session {
  readonly id: string;
  readonly dir: string;
  readonly filesDir: string;
  readonly tmpDir: string;
  readonly step: ResolvedStep;
  /** In the order they are entered. */
  readonly environments: readonly ResolvedEnvironment[];
  /** Where results of the step are looked for. */
  readonly outputs: readonly OutputLocation[];
  readonly variables = new SessionVariables();
  readonly secrets = new Secrets();
  readonly #job: ResolvedJob;
  readonly #values: SessionValues;
  readonly #rules: readonly PathMappingRule[];

  /** `dir` does not exist yet; its name is the session's. */
  constructor(dir: string, definition: SessionDefinition) {
    this.id = basename(dir);
    this.dir = dir;
    this.filesDir = join(dir, 'files');
    this.tmpDir = join(dir, 'tmp');
    this.step = definition.definition;
    this.environments = definition.environments ?? [];
    this.#rules = definition.pathMappingRules ?? treeRules(definition, this.filesDir);
    this.#job = {
      name: definition.jobName,
      parameters: definition.parameters,
      steps: [definition.definition],
    };
    this.#values = {
      workingDirectory: dir,
      files: filePaths(join(dir, 'embedded'), this.step.script.embeddedFiles),
      hasPathMappingRules: this.#rules.length > 0,
      pathMappingRulesFile: join(dir, 'path_mapping.json'),
      pathParameterValues: this.#localPaths(definition),
    };
    this.outputs = outputLocations(definition, this.filesDir);
  }

  /** Makes the directories. Inputs are brought in afterwards; output directories exist by then. */
  async open(): Promise<void> {
    await mkdir(this.tmpDir, { recursive: true, mode: 0o700 });
    if (this.step.script.embeddedFiles.length > 0) {
      await mkdir(join(this.dir, 'embedded'), { mode: 0o700 });
    }
    if (this.#namesRulesFile()) {
      const text = pathMappingText(this.#rules);
      await writeFile(this.#values.pathMappingRulesFile, text, { mode: 0o600 });
    }
    for (const { path, objectType } of this.outputs) {
      await mkdir(objectType === 'DIRECTORY' ? path : dirname(path), { recursive: true });
    }
  }

  /** The command of task `index`. */
  action(index: number): ResolvedAction {
    const parameters = this.#parameters(index);
    return resolveAction(this.#job, this.step, parameters, this.#taskValues(parameters));
  }

  /** Writes the embedded files for task `index` anew: the last task may have changed them. */
  async writeEmbeddedFiles(index: number): Promise<void> {
    if (this.step.script.embeddedFiles.length === 0) return;
    const parameters = this.#parameters(index);
    const values = this.#taskValues(parameters);
    const files = resolveEmbeddedFiles(this.#job, this.step, parameters, values);
    await writeAnew(join(this.dir, 'embedded'), files);
  }

  /** The variables an environment sets from its onEnter on. */
  environmentVariables(environment: ResolvedEnvironment): Record<string, string> {
    return resolveEnvironmentVariables(
      this.#job,
      environment,
      this.#environmentValues(environment),
    );
  }

  /** The command that enters or leaves an environment, its embedded files written anew; or none. */
  async environmentAction(
    environment: ResolvedEnvironment,
    name: EnvironmentActionName,
  ): Promise<ResolvedAction | undefined> {
    const values = this.#environmentValues(environment);
    const action = resolveEnvironmentAction(this.#job, environment, name, values);
    if (action === undefined) return undefined;
    const files = resolveEnvironmentFiles(this.#job, environment, values);
    if (files.length > 0) {
      const dir = this.#environmentDir(environment);
      await mkdir(dir, { recursive: true, mode: 0o700 });
      await writeAnew(dir, files);
    }
    return action;
  }

  /** Removes everything. A process that escaped may still write there, hence the repeats. */
  async close(): Promise<void> {
    await rm(this.dir, { recursive: true, force: true, maxRetries: 3 });
  }

  #parameters(index: number): TaskParameters {
    return taskParameters(this.step.parameterSpace, index);
  }

  #taskValues(parameters: TaskParameters): SessionValues {
    if (this.#rules.length === 0) return this.#values;
    const paths = Object.entries(parameters).filter(([, { type }]) => type === 'PATH');
    const mapped = paths.map(([name, { value }]) => [name, mapPath(this.#rules, value)]);
    return { ...this.#values, pathTaskParameterValues: Object.fromEntries(mapped) };
  }

  #environmentValues(environment: ResolvedEnvironment): SessionValues {
    const files = environment.script?.embeddedFiles ?? [];
    return { ...this.#values, files: filePaths(this.#environmentDir(environment), files) };
  }

  #environmentDir(environment: ResolvedEnvironment): string {
    return join(this.dir, 'environments', String(this.environments.indexOf(environment)));
  }

  /** PATH parameters at a place of the file tree, and those that the rules map. */
  #localPaths({ parameters, locations }: SessionDefinition): Record<string, string> {
    const local: Record<string, string> = {};
    for (const [name, { type, value }] of Object.entries(parameters)) {
      const at = Object.hasOwn(locations, name) ? locations[name] : undefined;
      if (at !== undefined) local[name] = join(this.filesDir, at);
      else if (type === 'PATH' && this.#rules.length > 0) local[name] = mapPath(this.#rules, value);
    }
    return local;
  }

  #namesRulesFile(): boolean {
    const { onRun, embeddedFiles } = this.step.script;
    const all = JSON.stringify([onRun, embeddedFiles, this.environments]);
    return this.#rules.length > 0 || all.includes('PathMappingRulesFile');
  }
}

const filePaths = (
  dir: string,
  files: readonly { name: string; filename: string }[],
): Record<string, string> =>
  Object.fromEntries(files.map(({ name, filename }) => [name, join(dir, filename)]));

/** For the owner only, and never through a link that an action has put there. */
async function writeAnew(dir: string, files: readonly ResolvedFile[]): Promise<void> {
  for (const { filename, runnable, data } of files) {
    const path = join(dir, filename);
    await rm(path, { force: true, recursive: true });
    await writeFile(path, data, { mode: runnable ? 0o700 : 0o600, flag: 'wx' });
  }
}
