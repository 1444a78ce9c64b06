import { type Problem, printPath } from '@karst/shared/openjd/problem.ts';
import type { Report } from '../documents/document.ts';
import { count, plainText } from '../terminal/text.ts';

/** Longer lines are cut around the column, so that the caret stays on the screen. */
const LINE_WIDTH_MAX = 160;

/** `shot.yaml:12:7 steps[0].script: expected …`, and the line itself with a caret below the place. */
export function renderReport({ file, text, problems }: Report): string[] {
  const lines = text?.replace(/^\uFEFF/, '').split('\n');
  return problems.flatMap((problem) => {
    const source = problem.line === undefined ? undefined : lines?.[problem.line - 1];
    return [headline(file, problem), ...excerpt(problem, source)];
  });
}

function headline(file: string, { path, message, line, column }: Problem): string {
  const where = [file === '-' ? '<stdin>' : file, line, column].filter(
    (part) => part !== undefined,
  );
  const at = path.length === 0 ? '' : ` ${printPath(path)}:`;
  return plainText(`${where.join(':')}${at === '' ? ':' : at} ${message}`);
}

function excerpt({ line, column }: Problem, source: string | undefined): string[] {
  if (line === undefined || column === undefined || source === undefined) return [];
  const whole = source.replace(/\r$/, '');
  const cut = Math.min(column - 1 - LINE_WIDTH_MAX / 2, whole.length - LINE_WIDTH_MAX);
  const from = Math.max(0, cut);
  const shown = plainText(whole.slice(from, from + LINE_WIDTH_MAX)).trimEnd();
  const margin = String(line).padStart(6);
  // Characters outside the first plane are two units of a column and one on the screen.
  const before = [...whole.slice(from, column - 1)].length;
  return [`${margin} | ${shown}`, `${' '.repeat(margin.length)} | ${' '.repeat(before)}^`];
}

/** "3 files are valid.", or how many problems there are in how many of them. */
export function summaryLine(reports: readonly Report[]): string {
  const bad = reports.filter(({ problems }) => problems.length > 0);
  const files = count(reports.length, 'file');
  if (bad.length === 0) return `${files} ${reports.length === 1 ? 'is' : 'are'} valid.`;
  const total = bad.reduce((sum, { problems }) => sum + problems.length, 0);
  return `${count(total, 'problem')} in ${bad.length} of ${files}.`;
}

/** What `-o json` and `-o yaml` print of a report. */
export function reportData({ file, problems }: Report) {
  return {
    file,
    ok: problems.length === 0,
    errors: problems.map(({ path, line, column, message }) => ({ path, line, column, message })),
  };
}
