import { mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createJob } from '@karst/shared/openjd/create-job.ts';
import type { SymbolTable } from '@karst/shared/openjd/format-string.ts';
import { taskParameters } from '@karst/shared/openjd/parameter-space.ts';
import { validateTemplate } from '@karst/shared/openjd/parse-template.ts';
import {
  fillAction,
  fillFile,
  hostSymbols,
  type ResolvedAction,
  type SessionValues,
  sessionSymbols,
} from '@karst/shared/openjd/resolve-task.ts';
import type {
  ResolvedEmbeddedFile,
  ResolvedEnvironment,
  ResolvedJob,
  ResolvedStep,
} from '@karst/shared/openjd/resolved-job.ts';
import { type CompiledRecipe, compileRecipe } from '@karst/shared/recipes/compile-recipe.ts';
import type { Result } from '@karst/shared/result.ts';
import { type CommandResult, runCommand } from '../../../scripts/run-command.ts';

/** The compiled recipe, or all that is wrong with it as an Error. */
export const compiled = (source: string): CompiledRecipe => must(compileRecipe(source));

/** A recipe's job as the farm would make it. */
export function recipeJob(source: string): ResolvedJob {
  const { template, parameters } = compiled(source);
  return must(createJob(must(validateTemplate(template)), parameters));
}

/** Takes one step of a job through a session by hand: the same files and commands as a node's. */
export class HandSession {
  readonly step: ResolvedStep;
  readonly #job: ResolvedJob;
  readonly #dir: string;
  readonly #paths: Readonly<Record<string, string>>;

  /** `paths`: what PATH parameters stand for here. `dir` is the session's own and must exist. */
  constructor(job: ResolvedJob, step: string, dir: string, paths: Record<string, string>) {
    const found = job.steps.find(({ name }) => name === step);
    if (found === undefined) throw new Error(`the job has no step ${step}`);
    this.step = found;
    this.#job = job;
    this.#dir = dir;
    this.#paths = paths;
  }

  /** Enters the step's environments, in order. */
  async enter(): Promise<CommandResult[]> {
    return this.#environments(this.step.environments ?? [], 'onEnter');
  }

  /** Leaves them, in reverse. */
  async exit(): Promise<CommandResult[]> {
    return this.#environments((this.step.environments ?? []).toReversed(), 'onExit');
  }

  /** The command of a task, its files written. */
  async prepare(index: number): Promise<ResolvedAction> {
    const values = this.#values('task', this.step.script.embeddedFiles);
    const parameters = taskParameters(this.step.parameterSpace, index);
    const symbols = hostSymbols(this.#job, parameters, values);
    await this.#write('task', this.step.script.embeddedFiles, symbols, values);
    return fillAction(this.step.script.onRun, symbols);
  }

  async run(index: number): Promise<CommandResult> {
    return this.#spawn(await this.prepare(index));
  }

  /** Every task of the step, one after the other; throws at the first that fails. */
  async runAll(): Promise<void> {
    for (let index = 0; index < this.step.taskCount; index++) succeeded(await this.run(index));
  }

  get env(): NodeJS.ProcessEnv {
    return { PATH: process.env.PATH, HOME: this.#dir, TMPDIR: this.#dir, LANG: 'C.UTF-8' };
  }

  async #environments(
    environments: readonly ResolvedEnvironment[],
    name: 'onEnter' | 'onExit',
  ): Promise<CommandResult[]> {
    const results: CommandResult[] = [];
    for (const { name: folder, script } of environments) {
      const action = script?.[name];
      if (script === undefined || action === undefined) continue;
      const values = this.#values(folder, script.embeddedFiles);
      const symbols = sessionSymbols(this.#job, values);
      for (const [file, at] of Object.entries(values.files)) symbols.set(`Env.File.${file}`, at);
      await this.#write(folder, script.embeddedFiles, symbols, values);
      results.push(await this.#spawn(fillAction(action, symbols)));
    }
    return results;
  }

  #values(folder: string, files: readonly ResolvedEmbeddedFile[]): SessionValues {
    return {
      workingDirectory: this.#dir,
      files: Object.fromEntries(
        files.map(({ name, filename }) => [name, path.join(this.#dir, folder, filename)]),
      ),
      hasPathMappingRules: false,
      pathMappingRulesFile: path.join(this.#dir, 'path_mapping.json'),
      pathParameterValues: this.#paths,
    };
  }

  async #write(
    folder: string,
    files: readonly ResolvedEmbeddedFile[],
    symbols: SymbolTable,
    values: SessionValues,
  ): Promise<void> {
    await rm(path.join(this.#dir, folder), { recursive: true, force: true });
    await mkdir(path.join(this.#dir, folder), { mode: 0o700 });
    for (const file of files) {
      const { filename, data } = fillFile(file, symbols, values);
      await writeFile(path.join(this.#dir, folder, filename), data, { mode: 0o600 });
    }
  }

  #spawn({ command, args }: ResolvedAction): Promise<CommandResult> {
    return runCommand(command, args, { cwd: this.#dir, env: this.env });
  }
}

/** The result of a command that ended well; throws with what it said otherwise. */
export function succeeded(result: CommandResult): CommandResult {
  if (result.code === 0) return result;
  throw new Error(`exit code ${result.code}:\n${result.stdout.toString()}\n${result.stderr}`);
}

function must<T>(result: Result<T, readonly { message: string }[]>): T {
  if (result.ok) return result.value;
  throw new Error(result.error.map(({ message }) => message).join('\n'));
}
