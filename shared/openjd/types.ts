import type { Extension } from './extensions.ts';

/**
 * A validated job template. Plain JSON: integers and floats of parameter definitions are kept as
 * decimal text, so that the whole int64 range survives. Keys are the specification's own, and
 * validating a template's JSON again gives the same template.
 */
export interface JobTemplate {
  readonly specificationVersion: 'jobtemplate-2023-09';
  readonly extensions?: readonly Extension[];
  /** Format string, template scope. */
  readonly name: string;
  readonly description?: string;
  readonly parameterDefinitions?: readonly JobParameterDefinition[];
  /** Entered in this order by every session of the job, left in reverse. */
  readonly jobEnvironments?: readonly Environment[];
  readonly steps: readonly Step[];
}

/** A validated environment template: an environment put around jobs from outside. */
export interface EnvironmentTemplate {
  readonly specificationVersion: 'environment-2023-09';
  readonly extensions?: readonly Extension[];
  readonly parameterDefinitions?: readonly JobParameterDefinition[];
  readonly environment: Environment;
}

export type JobParameterDefinition =
  | StringParameterDefinition
  | PathParameterDefinition
  | IntParameterDefinition
  | FloatParameterDefinition;

export type JobParameterType = JobParameterDefinition['type'];

interface ParameterDefinitionBase {
  readonly name: string;
  readonly description?: string;
  /** Used when the submission gives no value. */
  readonly default?: string;
  readonly allowedValues?: readonly string[];
  /** Hints for forms; not used by Karst itself. */
  readonly userInterface?: Readonly<Record<string, unknown>>;
}

interface LengthConstraints {
  /** Code points. */
  readonly minLength?: number;
  readonly maxLength?: number;
}

export interface StringParameterDefinition extends ParameterDefinitionBase, LengthConstraints {
  readonly type: 'STRING';
}

export type ObjectType = 'FILE' | 'DIRECTORY';
export type DataFlow = 'NONE' | 'IN' | 'OUT' | 'INOUT';

export interface PathParameterDefinition extends ParameterDefinitionBase, LengthConstraints {
  readonly type: 'PATH';
  /** DIRECTORY when absent. */
  readonly objectType?: ObjectType;
  /** NONE when absent. */
  readonly dataFlow?: DataFlow;
}

/** Values and bounds are base-10 integers within int64, without leading zeros. */
export interface IntParameterDefinition extends ParameterDefinitionBase {
  readonly type: 'INT';
  readonly minValue?: string;
  readonly maxValue?: string;
}

/** Values and bounds are finite decimal numbers, as written. */
export interface FloatParameterDefinition extends ParameterDefinitionBase {
  readonly type: 'FLOAT';
  readonly minValue?: string;
  readonly maxValue?: string;
}

/** A step has either `script` or one simple action (bash, cmd, node, powershell, python). */
export interface Step extends Readonly<Partial<Record<Interpreter, SimpleAction>>> {
  /** Literal text, unique in the template. */
  readonly name: string;
  readonly description?: string;
  readonly dependencies?: readonly StepDependency[];
  /** Entered after the job's; no name of the job's environments is used again. */
  readonly stepEnvironments?: readonly Environment[];
  readonly hostRequirements?: HostRequirements;
  readonly parameterSpace?: StepParameterSpace;
  readonly script?: StepScript;
}

export interface StepDependency {
  /** Name of another step. */
  readonly dependsOn: string;
}

/** At least one amount or attribute. */
export interface HostRequirements {
  readonly amounts?: readonly AmountRequirement[];
  readonly attributes?: readonly AttributeRequirement[];
}

/** At least one of min and max. Text is a format string in template scope. */
export interface AmountRequirement {
  /** As written; compared without regard to case. */
  readonly name: string;
  /** 0 or more. */
  readonly min?: number | string;
  /** Above 0. */
  readonly max?: number | string;
}

/** Values are format strings in template scope. At least one of anyOf and allOf. */
export interface AttributeRequirement {
  /** As written; compared without regard to case. */
  readonly name: string;
  readonly anyOf?: readonly string[];
  readonly allOf?: readonly string[];
}

export interface StepParameterSpace {
  readonly taskParameterDefinitions: readonly TaskParameterDefinition[];
  readonly combination?: string;
}

export type TaskParameterType = 'INT' | 'FLOAT' | 'STRING' | 'PATH' | 'CHUNK[INT]';

/** Every string in a range is a format string in template scope. */
export type TaskParameterDefinition =
  | {
      readonly name: string;
      readonly type: 'INT';
      /** A range expression, or a list of integers as text. */
      readonly range: string | readonly string[];
    }
  | {
      readonly name: string;
      readonly type: 'CHUNK[INT]';
      /** As of INT. */
      readonly range: string | readonly string[];
      readonly chunks: ChunksDefinition;
    }
  | {
      readonly name: string;
      readonly type: 'FLOAT' | 'STRING' | 'PATH';
      readonly range: readonly string[];
    };

export type RangeConstraint = 'CONTIGUOUS' | 'NONCONTIGUOUS';

/** How values are put together into chunks. Numbers may be format strings in template scope. */
export interface ChunksDefinition {
  /** 1 or more. */
  readonly defaultTaskCount: number | string;
  /** 0 or more; 0 is the same as absent. */
  readonly targetRuntimeSeconds?: number | string;
  readonly rangeConstraint: RangeConstraint;
}

export interface StepScript {
  readonly actions: { readonly onRun: Action };
  readonly embeddedFiles?: readonly EmbeddedFile[];
}

export type Interpreter = 'bash' | 'cmd' | 'node' | 'powershell' | 'python';

/** Short for a script in an embedded file and the interpreter that runs it. */
export interface SimpleAction {
  /** Format string, host scope. */
  readonly script: string;
  /** Format strings, host scope. */
  readonly args?: readonly string[];
  readonly timeout?: number | string;
  readonly cancelation?: Cancelation;
}

/** Has a script, variables or both. */
export interface Environment {
  /** Literal text. */
  readonly name: string;
  readonly description?: string;
  readonly script?: EnvironmentScript;
  /** Environment variable -> format string, environment scope. */
  readonly variables?: Readonly<Record<string, string>>;
}

export type EnvironmentActionName = 'onEnter' | 'onExit';

export interface EnvironmentScript {
  /** At least one of them. */
  readonly actions: Readonly<Partial<Record<EnvironmentActionName, Action>>>;
  readonly embeddedFiles?: readonly EmbeddedFile[];
}

export interface Action {
  /** Format string, host scope. */
  readonly command: string;
  /** Format strings, host scope. */
  readonly args?: readonly string[];
  /** Seconds, 1 or more, or a format string in template scope; no limit when absent. */
  readonly timeout?: number | string;
  readonly cancelation?: Cancelation;
}

export interface Cancelation {
  /** TERMINATE, NOTIFY_THEN_TERMINATE, or a format string in template scope that gives one of them. */
  readonly mode: string;
  /** Seconds, 1 to 600, or a format string in template scope. Never with TERMINATE. */
  readonly notifyPeriodInSeconds?: number | string;
}

export type EndOfLine = 'AUTO' | 'LF' | 'CRLF';

export interface EmbeddedFile {
  readonly name: string;
  readonly type: 'TEXT';
  /** A base name, literal. */
  readonly filename?: string;
  readonly runnable?: boolean;
  /** Format string, host scope. */
  readonly data: string;
  /** Line ends of the written file: AUTO is the host's own; absent leaves the data as it is. */
  readonly endOfLine?: EndOfLine;
}
