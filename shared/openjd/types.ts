/**
 * A validated job template. Plain JSON: integers and floats of parameter definitions are kept as
 * decimal text, so that the whole int64 range survives. Keys are the specification's own, and
 * validating a template's JSON again gives the same template.
 */
export interface JobTemplate {
  readonly specificationVersion: 'jobtemplate-2023-09';
  /** Format string, template scope. */
  readonly name: string;
  readonly description?: string;
  readonly parameterDefinitions?: readonly JobParameterDefinition[];
  readonly steps: readonly Step[];
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

export interface Step {
  /** Literal text, unique in the template. */
  readonly name: string;
  readonly description?: string;
  readonly dependencies?: readonly StepDependency[];
  readonly parameterSpace?: StepParameterSpace;
  readonly script: StepScript;
}

export interface StepDependency {
  /** Name of another step. */
  readonly dependsOn: string;
}

export interface StepParameterSpace {
  readonly taskParameterDefinitions: readonly TaskParameterDefinition[];
  readonly combination?: string;
}

export type TaskParameterType = 'INT' | 'FLOAT' | 'STRING' | 'PATH';

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
      readonly type: 'FLOAT' | 'STRING' | 'PATH';
      readonly range: readonly string[];
    };

export interface StepScript {
  readonly actions: { readonly onRun: Action };
  readonly embeddedFiles?: readonly EmbeddedFile[];
}

export interface Action {
  /** Format string, host scope. */
  readonly command: string;
  /** Format strings, host scope. */
  readonly args?: readonly string[];
  /** Seconds, 1 or more; no limit when absent. */
  readonly timeout?: number;
  readonly cancelation?: Cancelation;
}

export type Cancelation =
  | { readonly mode: 'TERMINATE' }
  | {
      readonly mode: 'NOTIFY_THEN_TERMINATE';
      /** Seconds, 1 to 600; 120 for onRun when absent. */
      readonly notifyPeriodInSeconds?: number;
    };

export interface EmbeddedFile {
  readonly name: string;
  readonly type: 'TEXT';
  /** A base name, literal. */
  readonly filename?: string;
  readonly runnable?: boolean;
  /** Format string, host scope. */
  readonly data: string;
}
