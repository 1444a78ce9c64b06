import { adaptiveChunks } from '@karst/shared/openjd/adaptive-chunks.ts';
import { chunkParameters } from '@karst/shared/openjd/parameter-space.ts';
import {
  type ResolvedAction,
  resolveAction,
  resolveEmbeddedFiles,
} from '@karst/shared/openjd/resolve-task.ts';
import type { ResolvedStep } from '@karst/shared/openjd/resolved-job.ts';
import type { OutputLocation } from '../outputs/output-location.ts';
import type { Session } from './session.ts';

/** Tasks that run as one action, both ends included: a chunk where chunks adapt, else a single one. */
export interface TaskRange {
  first: number;
  last: number;
}

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

  /** Whether a span is one chunk, and runs as one action. */
  get runsChunks(): boolean {
    return adaptiveChunks(this.definition.parameterSpace) !== undefined;
  }

  /** Their command. */
  action({ first, last }: TaskRange): ResolvedAction {
    const parameters = chunkParameters(this.definition.parameterSpace, first, last);
    const values = this.session.taskValues(this.definition, parameters);
    return resolveAction(this.#job, this.definition, parameters, values);
  }

  /** Writes their embedded files anew: the last task may have changed them. */
  async writeEmbeddedFiles({ first, last }: TaskRange): Promise<void> {
    if (this.definition.script.embeddedFiles.length === 0) return;
    const parameters = chunkParameters(this.definition.parameterSpace, first, last);
    const values = this.session.taskValues(this.definition, parameters);
    const files = resolveEmbeddedFiles(this.#job, this.definition, parameters, values);
    await this.session.writeTaskFiles(files);
  }

  get #job() {
    return { ...this.session.job, steps: [this.definition] };
  }
}
