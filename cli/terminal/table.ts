import { plainText } from './text.ts';

export interface Column<T> {
  title: string;
  value: (row: T) => string | number;
}

/** Rows in aligned columns, two spaces apart, numbers to the right. */
export function renderTable<T>(rows: readonly T[], columns: readonly Column<T>[]): string {
  const cells = rows.map((row) => columns.map((column) => column.value(row)));
  const isNumeric = columns.map((_, at) => cells.some((row) => typeof row[at] === 'number'));
  const texts = [
    columns.map((column) => column.title),
    ...cells.map((row) => row.map((cell) => plainText(String(cell)))),
  ];
  const widths = columns.map((_, at) => Math.max(...texts.map((row) => row[at]?.length ?? 0)));
  const line = (row: readonly string[]) =>
    row
      .map((text, at) => {
        const width = widths[at] ?? 0;
        return isNumeric[at] ? text.padStart(width) : text.padEnd(width);
      })
      .join('  ')
      .trimEnd();
  return texts.map(line).join('\n');
}
