import { taskParameters } from '@karst/shared/openjd/parameter-space.ts';
import {
  type ResolvedAction,
  resolveAction,
  resolveEmbeddedFiles,
} from '@karst/shared/openjd/resolve-task.ts';
import type { ResolvedStep, TaskParameters } from '@karst/shared/openjd/resolved-job.ts';
import type { OutputLocation } from '../outputs/output-location.ts';
import type { Session } from './session.ts';

/** A step while its tasks run in a session. */
export class SessionStep {
  readonly session: Session;
  readonly definition: ResolvedStep;
  /** Where results of the step are looked for. */
  readonly outputs: readonly OutputLocation[];

  constructor(session: Session, definition: ResolvedStep, outputs: readonly OutputLocation[]) {
    this.session = session;
    this.definition = definition;
    this.outputs = outputs;
  }

  get name(): string {
    return this.definition.name;
  }

  /** The command of task `index`. */
  action(index: number): ResolvedAction {
    const parameters = this.#parameters(index);
    const values = this.session.taskValues(this.definition, parameters);
    return resolveAction(this.#job, this.definition, parameters, values);
  }

  /** Writes the embedded files for task `index` anew: the last task may have changed them. */
  async writeEmbeddedFiles(index: number): Promise<void> {
    if (this.definition.script.embeddedFiles.length === 0) return;
    const parameters = this.#parameters(index);
    const values = this.session.taskValues(this.definition, parameters);
    const files = resolveEmbeddedFiles(this.#job, this.definition, parameters, values);
    await this.session.writeTaskFiles(files);
  }

  #parameters(index: number): TaskParameters {
    return taskParameters(this.definition.parameterSpace, index);
  }

  get #job() {
    return { ...this.session.job, steps: [this.definition] };
  }
}
