import { parseFormatString, resolveFormatString, type SymbolTable } from './format-string.ts';
import type { ProblemList, ProblemPath } from './problem.ts';

/** Resolves a template-scope format string; a reference to a refused parameter stays silent. */
export function resolveText(
  text: string,
  path: ProblemPath,
  symbols: SymbolTable,
  problems: ProblemList,
): string | undefined {
  const format = parseFormatString(text);
  const resolved = format.ok ? resolveFormatString(format.value, symbols) : format;
  if (resolved.ok) return resolved.value;
  // Symbols are missing only when their parameter's value was refused, which is reported already.
  if (problems.count === 0) {
    for (const { message, ...details } of resolved.error) problems.add(path, message, details);
  }
  return undefined;
}
