import type { IntRange } from '../openjd/int-range.ts';
import { parameterValueMax } from '../openjd/limits.ts';

/** What a template is put together from. Collects parameters in the order they are declared. */
export class TemplateParts {
  readonly definitions: Record<string, unknown>[] = [];
  /** Values that no default can hold. */
  readonly values: Record<string, string> = {};

  /** A file or folder that travels with the job. Answers the reference to it. */
  input(name: string, objectType: 'FILE' | 'DIRECTORY', path: string, description: string): string {
    return this.path(name, objectType, 'IN', path, description);
  }

  /** A folder or file that the job makes. */
  output(
    name: string,
    objectType: 'FILE' | 'DIRECTORY',
    path: string,
    description: string,
  ): string {
    return this.path(name, objectType, 'OUT', path, description);
  }

  private path(
    name: string,
    objectType: string,
    dataFlow: string,
    path: string,
    description: string,
  ): string {
    const inside = isInside(path);
    if (!inside) this.values[name] = path;
    const given = inside ? { default: path } : {};
    return this.add({ name, type: 'PATH', objectType, dataFlow, ...given, description });
  }

  integer(name: string, value: number, description: string, minValue = 1): string {
    return this.add({ name, type: 'INT', default: value, minValue, description });
  }

  text(name: string, value: string, description: string): string {
    return this.add({ name, type: 'STRING', default: value, description });
  }

  /** A frame range; too long a one for a parameter's value stands in the step itself. */
  frames(name: string, expression: string, description: string): string {
    if (expression.length > parameterValueMax) return expression;
    return this.text(name, expression, description);
  }

  private add(definition: Record<string, unknown>): string {
    this.definitions.push(definition);
    return `{{Param.${String(definition.name)}}}`;
  }
}

/** Whether a path may be a default: relative, and never above the template's folder. */
export function isInside(path: string): boolean {
  if (/^(?:[/\\]|[A-Za-z]:)/.test(path)) return false;
  let depth = 0;
  for (const part of path.split(/[/\\]/)) {
    if (part === '..') depth--;
    else if (part !== '' && part !== '.') depth++;
    if (depth < 0) return false;
  }
  return true;
}

/** No gap and no step between the frames of each piece. */
export const isContiguous = ({ spans }: IntRange): boolean =>
  spans.every(({ step }) => step === 1n);

/** `key: value` where there is a value: templates take no key without one. */
export function when<T>(value: T | undefined, part: (value: T) => Record<string, unknown>) {
  return value === undefined ? {} : part(value);
}

/** Ends as it should when a person cancels: a moment to stop by itself. */
export const gentleEnd = {
  cancelation: { mode: 'NOTIFY_THEN_TERMINATE', notifyPeriodInSeconds: 5 },
};
