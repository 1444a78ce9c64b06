import { type Problem, printPath } from '@karst/shared/openjd/problem.ts';
import type { Result } from '@karst/shared/result.ts';

/** `line:column path: message` of everything a parser refused; what it accepted fails the test. */
export function problemLines(result: Result<unknown, readonly Problem[]>): string[] {
  if (result.ok) throw new Error(`accepted as ${JSON.stringify(result.value)}`);
  return result.error.map(
    ({ path, message, line, column }) => `${line}:${column} ${printPath(path)}: ${message}`,
  );
}

/** What a parser made; what it refused fails the test, showing why. */
export function accepted<T>(result: Result<T, readonly Problem[]>): T {
  if (!result.ok) throw new Error(problemLines(result).join('\n'));
  return result.value;
}
