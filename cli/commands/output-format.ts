import { type Command, Option } from 'commander';
import { stringify } from 'yaml';
import { z } from 'zod';
import { type CliContext, print } from '../context.ts';
import { type Column, renderTable } from '../terminal/table.ts';

export const outputFormatSchema = z.enum(['table', 'json', 'yaml', 'name']);
export type OutputFormat = z.infer<typeof outputFormatSchema>;

/** The first format offered is the default. */
export function addOutputOption(
  command: Command,
  formats: readonly OutputFormat[] = outputFormatSchema.options,
): Command {
  return command.addOption(
    new Option('-o, --output <format>', 'how to print it').choices(formats).default(formats[0]),
  );
}

/** Prints a list as data: an aligned table, a JSON or YAML array, or one name a line. */
export function printList<T>(
  context: CliContext,
  format: OutputFormat,
  rows: readonly T[],
  shape: { columns: readonly Column<T>[]; name: (row: T) => string },
): void {
  switch (format) {
    case 'json':
      print(context, JSON.stringify(rows, null, 2));
      return;
    case 'yaml':
      context.stdout.write(stringify(rows));
      return;
    case 'name':
      for (const row of rows) print(context, shape.name(row));
      return;
    case 'table':
      print(context, renderTable(rows, shape.columns));
  }
}

/** Prints one resource as data; `lines` are for people. */
export function printOne(
  context: CliContext,
  format: OutputFormat,
  value: object,
  shape: { lines: readonly (readonly [string, string | number])[]; name: string },
): void {
  switch (format) {
    case 'json':
      print(context, JSON.stringify(value, null, 2));
      return;
    case 'yaml':
      context.stdout.write(stringify(value));
      return;
    case 'name':
      print(context, shape.name);
      return;
    case 'table': {
      const width = Math.max(...shape.lines.map(([title]) => title.length));
      for (const [title, text] of shape.lines) {
        const head = title === '' ? '' : `${title}:`;
        print(context, `${head.padEnd(width + 2)}${text}`);
      }
    }
  }
}
