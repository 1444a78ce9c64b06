import { type CliContext, print } from '../context.ts';
import { type Column, renderTable } from '../terminal/table.ts';
import { clip, count, plainText } from '../terminal/text.ts';
import type { EnvironmentSummary, ParameterSummary, StepSummary, Summary } from './summarize.ts';

const TEXT_WIDTH_MAX = 60;

const oneLine = (text: string) => clip(plainText(text), TEXT_WIDTH_MAX);

const parameterColumns: readonly Column<ParameterSummary>[] = [
  { title: 'PARAMETER', value: ({ name }) => name },
  { title: 'TYPE', value: ({ type }) => type },
  {
    title: 'VALUE',
    value: ({ required, value = '' }) => (required ? '(required)' : oneLine(value) || '""'),
  },
  { title: 'DESCRIPTION', value: ({ description = '' }) => oneLine(description) },
];

const environmentColumns: readonly Column<EnvironmentSummary>[] = [
  { title: 'ENVIRONMENT', value: ({ name }) => name },
  { title: 'AROUND', value: ({ step }) => (step === undefined ? 'every step' : `step ${step}`) },
  { title: 'DESCRIPTION', value: ({ description = '' }) => oneLine(description) },
];

const stepColumns: readonly Column<StepSummary>[] = [
  { title: 'STEP', value: ({ name }) => name },
  { title: 'TASKS', value: ({ tasks }) => tasks ?? '?' },
  {
    title: 'TASK PARAMETERS',
    value: ({ taskParameters }) =>
      taskParameters.map(({ name, type }) => `${name} ${type}`).join(', ') || '-',
  },
  { title: 'AFTER', value: ({ dependsOn }) => dependsOn.join(', ') || '-' },
  { title: 'NEEDS', value: ({ requirements }) => requirements.join('; ') || '-' },
];

/** Prints a summary for people: a headline, then a table for each kind of thing there is. */
export function printSummary(context: CliContext, summary: Summary): void {
  const { kind, name, description, extensions, parameters, environments, steps } = summary;
  print(context, `${plainText(name)}: ${contents(summary)}`);
  if (description !== undefined) {
    for (const line of description.split('\n')) print(context, `  ${plainText(line)}`.trimEnd());
  }
  if (extensions.length > 0) print(context, `Extensions: ${extensions.join(', ')}`);
  section(context, parameters, parameterColumns);
  if (kind === 'job') section(context, environments, environmentColumns);
  section(context, steps, stepColumns);
  const missing = parameters.filter(({ required }) => required).map((each) => each.name);
  if (kind === 'job' && missing.length > 0) {
    print(
      context,
      `\nGive -p NAME=VALUE for ${missing.join(', ')} to see how many tasks there are.`,
    );
  }
}

function contents({ kind, steps, tasks }: Summary): string {
  if (kind === 'environment') return 'an environment template';
  return tasks === null
    ? count(steps.length, 'step')
    : `${count(steps.length, 'step')}, ${count(tasks, 'task')}`;
}

function section<T>(context: CliContext, rows: readonly T[], columns: readonly Column<T>[]): void {
  if (rows.length > 0) print(context, `\n${renderTable(rows, columns)}`);
}
