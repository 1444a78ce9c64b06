/** A line of a trace that could not be read. */
export interface LineProblem {
  /** 1-based. */
  readonly line: number;
  readonly message: string;
}

/** After so many the rest is not told: the file is of another kind. */
export const LINE_PROBLEMS_MAX = 20;

/** A row of a CSV file by column. */
export class CsvRow {
  readonly line: number;
  private readonly cells: ReadonlyMap<string, string>;
  private readonly problems: LineProblem[];

  constructor(line: number, cells: ReadonlyMap<string, string>, problems: LineProblem[]) {
    this.line = line;
    this.cells = cells;
    this.problems = problems;
  }

  text(column: string): string {
    return this.cells.get(column) ?? '';
  }

  /** A number of at least 0; undefined, and told, when it is not. */
  amount(column: string): number | undefined {
    const text = this.text(column);
    const value = Number(text);
    if (text.trim() !== '' && Number.isFinite(value) && value >= 0) return value;
    this.tell(`expected a number of at least 0 as ${column}, found "${text.slice(0, 60)}"`);
    return undefined;
  }

  tell(message: string): void {
    this.problems.push({ line: this.line, message });
  }
}

/**
 * The rows of a CSV file whose first line names its columns. No quoting: neither the traces' names nor
 * their numbers hold commas. Stops when there are too many problems.
 */
export function* csvRows(
  text: string,
  columns: readonly string[],
  problems: LineProblem[],
): Generator<CsvRow> {
  let header: string[] | undefined;
  for (const { line, content } of linesOf(text)) {
    if (content.trim() === '') continue;
    const cells = content.split(',').map((cell) => cell.trim());
    if (header === undefined) {
      header = cells;
      const missing = columns.filter((name) => !cells.includes(name));
      if (missing.length === 0) continue;
      const message = `expected the columns ${columns.join(',')}; ${missing.join(', ')} not found`;
      problems.push({ line, message });
      return;
    }
    if (cells.length !== header.length) {
      const message = `expected ${header.length} values (${header.join(',')}), found ${cells.length}`;
      problems.push({ line, message });
    } else {
      const byName = new Map(header.map((name, at) => [name, cells[at] ?? '']));
      yield new CsvRow(line, byName, problems);
    }
    if (problems.length >= LINE_PROBLEMS_MAX) return;
  }
  if (header === undefined) problems.push({ line: 1, message: 'expected a header, found nothing' });
}

/** Lines with their numbers, without splitting a large text as a whole. */
export function* linesOf(text: string): Generator<{ line: number; content: string }> {
  let from = text.startsWith('\uFEFF') ? 1 : 0;
  for (let line = 1; from < text.length; line++) {
    const end = text.indexOf('\n', from);
    const to = end < 0 ? text.length : end;
    yield { line, content: text.slice(from, text[to - 1] === '\r' ? to - 1 : to) };
    from = to + 1;
  }
}
