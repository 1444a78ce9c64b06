/** What a line of a task's output tells the runner (OpenJD, "How Jobs Are Run"). */
export type Directive =
  | { kind: 'progress'; percent: number }
  | { kind: 'status'; message: string }
  | { kind: 'fail'; message: string };

const line = /^openjd_([a-z_]+): ?(.*)$/;

/**
 * Reads one line; undefined when it is ordinary output. Directives start at the line's first
 * character. Those that only an environment's actions may print (openjd_env and its kin) mean
 * nothing in a task, and one that is malformed is ordinary output.
 */
export function parseDirective(text: string): Directive | undefined {
  if (!text.startsWith('openjd_')) return undefined;
  const match = line.exec(text);
  const [, name, value = ''] = match ?? [];
  switch (name) {
    case 'progress': {
      const percent = value.trim() === '' ? Number.NaN : Number(value);
      return percent >= 0 && percent <= 100 ? { kind: 'progress', percent } : undefined;
    }
    case 'status':
      return { kind: 'status', message: value };
    case 'fail':
      return { kind: 'fail', message: value };
    default:
      return undefined;
  }
}
