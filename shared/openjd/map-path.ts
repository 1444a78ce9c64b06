import type { PathMappingRule } from './path-mapping-rules.ts';

/** A path as the first rule that matches maps it, longest source first; else as it is. */
export function mapPath(rules: readonly PathMappingRule[], path: string): string {
  const ordered = rules.toSorted((a, b) => b.source_path.length - a.source_path.length);
  for (const rule of ordered) {
    const mapped = applyRule(rule, path);
    if (mapped !== undefined) return mapped;
  }
  return path;
}

/**
 * Sources match whole path components, on Windows in any case and with either slash. A slash at the
 * path's end stays.
 */
function applyRule(rule: PathMappingRule, path: string): string | undefined {
  const windows = rule.source_path_format === 'WINDOWS';
  const split = (text: string) => text.split(windows ? /[\\/]+/ : /\/+/);
  const same = (a: string | undefined, b: string) =>
    windows ? a?.toLowerCase() === b.toLowerCase() : a === b;
  const source = split(rule.source_path);
  if (source.at(-1) === '') source.pop();
  const parts = split(path);
  if (!source.every((part, at) => same(parts[at], part))) return undefined;
  const rest = parts.slice(source.length).filter((part) => part !== '');
  const isOpen = parts.length > 1 && parts.at(-1) === '';
  if (rest.length === 0 && !isOpen) return rule.destination_path;
  const separator = /^[A-Za-z]:|\\/.test(rule.destination_path) ? '\\' : '/';
  const base = rule.destination_path.replace(/[\\/]+$/, '');
  return [base, ...rest, ...(isOpen ? [''] : [])].join(separator);
}
