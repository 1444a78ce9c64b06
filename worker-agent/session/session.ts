import { mkdir, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import {
  resolveEnvironmentAction,
  resolveEnvironmentFiles,
  resolveEnvironmentVariables,
} from '@karst/shared/openjd/environments.ts';
import { mapPath } from '@karst/shared/openjd/map-path.ts';
import type { PathMappingRule } from '@karst/shared/openjd/path-mapping-rules.ts';
import type {
  ResolvedAction,
  ResolvedFile,
  SessionValues,
} from '@karst/shared/openjd/resolve-task.ts';
import type {
  ResolvedEnvironment,
  ResolvedJob,
  ResolvedStep,
  TaskParameters,
} from '@karst/shared/openjd/resolved-job.ts';
import type { EnvironmentActionName } from '@karst/shared/openjd/types.ts';
import { FileTree } from '../inputs/file-tree.ts';
import { pathMappingText, treeRules } from './path-mapping.ts';
import { Secrets } from './secrets.ts';
import type { SessionDefinition } from './session-definition.ts';
import { outputLocations } from './session-outputs.ts';
import { SessionStep } from './session-step.ts';
import { SessionVariables } from './session-variables.ts';

/**
 * A working directory on this node in which tasks of one job run, one after the other, within the same
 * environments. `<dir>/files/` is the job's file tree, `<dir>/embedded/` holds the embedded files of the
 * step that runs, `<dir>/environments/<n>/` those of the environments, `<dir>/tmp/` is TMPDIR.
 * Not tied to a lease or a step, so that several spans can share it.
 */
export class Session {
  readonly id: string;
  readonly dir: string;
  readonly tmpDir: string;
  readonly tree: FileTree;
  readonly job: Pick<ResolvedJob, 'name' | 'parameters'>;
  /** In the order they are entered. */
  environments: readonly ResolvedEnvironment[];
  readonly variables = new SessionVariables();
  readonly secrets = new Secrets();
  /** Index of the step whose inputs the file tree holds. Undefined: of none, or not all of them. */
  step: number | undefined;
  readonly #definition: SessionDefinition;
  readonly #values: SessionValues;
  readonly #rules: readonly PathMappingRule[];
  #rulesWritten = false;

  /** `dir` does not exist yet; its name is the session's. */
  constructor(dir: string, definition: SessionDefinition) {
    this.id = basename(dir);
    this.dir = dir;
    this.tmpDir = join(dir, 'tmp');
    this.tree = new FileTree(join(dir, 'files'), join(dir, 'incoming'));
    this.environments = definition.environments ?? [];
    this.job = { name: definition.jobName, parameters: definition.parameters };
    this.#definition = definition;
    this.#rules = definition.pathMappingRules ?? treeRules(definition, this.tree.dir);
    this.#values = {
      workingDirectory: dir,
      files: {},
      hasPathMappingRules: this.#rules.length > 0,
      pathMappingRulesFile: join(dir, 'path_mapping.json'),
      pathParameterValues: this.#localPaths(definition),
    };
  }

  /** Makes the directories. */
  async open(): Promise<void> {
    await mkdir(this.tmpDir, { recursive: true, mode: 0o700 });
    if (this.#rules.length > 0) await this.#writeRules();
  }

  /**
   * Makes room for a step's tasks: what is left of another's embedded files goes, its output directories
   * are made. Its inputs are brought in by others.
   */
  async enterStep(definition: ResolvedStep): Promise<SessionStep> {
    const outputs = outputLocations(this.#definition, definition, this.tree.dir);
    await rm(this.#embeddedDir, { recursive: true, force: true });
    if (definition.script.embeddedFiles.length > 0) {
      await mkdir(this.#embeddedDir, { mode: 0o700 });
    }
    if (namesRulesFile([definition.script, this.environments])) await this.#writeRules();
    for (const { path, objectType } of outputs) {
      await mkdir(objectType === 'DIRECTORY' ? path : dirname(path), { recursive: true });
    }
    return new SessionStep(this, definition, outputs);
  }

  /** What a task's format strings may name of this session. */
  taskValues({ script }: ResolvedStep, parameters: TaskParameters): SessionValues {
    const values = { ...this.#values, files: filePaths(this.#embeddedDir, script.embeddedFiles) };
    if (this.#rules.length === 0) return values;
    const paths = Object.entries(parameters).filter(([, { type }]) => type === 'PATH');
    const mapped = paths.map(([name, { value }]) => [name, mapPath(this.#rules, value)]);
    return { ...values, pathTaskParameterValues: Object.fromEntries(mapped) };
  }

  async writeTaskFiles(files: readonly ResolvedFile[]): Promise<void> {
    await writeAnew(this.#embeddedDir, files);
  }

  /** The variables an environment sets from its onEnter on. */
  environmentVariables(environment: ResolvedEnvironment): Record<string, string> {
    return resolveEnvironmentVariables(this.job, environment, this.#environmentValues(environment));
  }

  /** The command that enters or leaves an environment, its embedded files written anew; or none. */
  async environmentAction(
    environment: ResolvedEnvironment,
    name: EnvironmentActionName,
  ): Promise<ResolvedAction | undefined> {
    const values = this.#environmentValues(environment);
    const action = resolveEnvironmentAction(this.job, environment, name, values);
    if (action === undefined) return undefined;
    const files = resolveEnvironmentFiles(this.job, environment, values);
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

  get #embeddedDir(): string {
    return join(this.dir, 'embedded');
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
      if (at !== undefined) local[name] = join(this.tree.dir, at);
      else if (type === 'PATH' && this.#rules.length > 0) local[name] = mapPath(this.#rules, value);
    }
    return local;
  }

  async #writeRules(): Promise<void> {
    if (this.#rulesWritten) return;
    const text = pathMappingText(this.#rules);
    await writeFile(this.#values.pathMappingRulesFile, text, { mode: 0o600 });
    this.#rulesWritten = true;
  }
}

const namesRulesFile = (scripts: object): boolean =>
  JSON.stringify(scripts).includes('PathMappingRulesFile');

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
