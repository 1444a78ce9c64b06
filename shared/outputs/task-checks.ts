import { nthInRange, parseIntRange, printIntRange } from '../openjd/int-range.ts';
import { fillText } from '../openjd/resolve-task.ts';
import type { ResolvedJob, TaskParameters } from '../openjd/resolved-job.ts';
import type { OutputCheck } from '../protocol/output-checks.ts';
import { err, ok, type Result } from '../result.ts';
import {
  hasFrame,
  type PathPattern,
  parsePattern,
  plainPattern,
  withFrame,
} from './path-pattern.ts';

/** Files that one task has to write. */
export interface Wanted {
  readonly pattern: PathPattern;
  /** The frame they are of, where the check goes by frames. */
  readonly frame?: bigint;
}

/** A check with one task's values in it. */
export interface TaskCheck {
  /** As people read it: parameters filled in, #### left. */
  readonly text: string;
  readonly wanted: readonly Wanted[];
  readonly minFiles: number;
  readonly minBytes: number;
  readonly decode: 'none' | 'header' | 'full';
  readonly collect: boolean;
}

/** What patterns may name of a job. */
export interface CheckedJob extends Pick<ResolvedJob, 'parameters'> {
  /** Where PATH parameters stand in the file tree. */
  readonly locations: Readonly<Record<string, string>>;
}

/** No task publishes more files. */
export const outputFilesMax = 10_000;

/** The checks of one task, or in words what is wrong with its values. */
export function taskChecks(
  checks: readonly OutputCheck[],
  job: CheckedJob,
  task: TaskParameters,
): Result<TaskCheck[], string> {
  const symbols = checkSymbols(job, task);
  const found: TaskCheck[] = [];
  for (const check of checks) {
    const text = fillText(check.files, symbols);
    const pattern = parsePattern(text);
    if (!pattern.ok) return err(`the check of ${check.files}: ${pattern.error} (found ${text})`);
    const wanted = hasFrame(pattern.value)
      ? byFrame(check, pattern.value, task)
      : ok([{ pattern: pattern.value }]);
    if (!wanted.ok) return wanted;
    const { minFiles = 1, minBytes = 1, decode = 'header', collect = false } = check;
    found.push({ text, wanted: wanted.value, minFiles, minBytes, decode, collect });
  }
  return ok(found);
}

/** A PATH parameter stands for its place in the file tree, any other for its value. */
export function checkSymbols(
  { parameters, locations }: CheckedJob,
  task: TaskParameters,
): Map<string, string> {
  const symbols = new Map<string, string>();
  for (const [name, { type, value }] of Object.entries(parameters)) {
    const place = Object.hasOwn(locations, name) ? locations[name] : undefined;
    if (type === 'PATH' && place === undefined) continue;
    symbols.set(`Param.${name}`, plainPattern(place ?? value));
  }
  for (const [name, { value }] of Object.entries(task)) {
    symbols.set(`Task.Param.${name}`, plainPattern(value));
  }
  return symbols;
}

function byFrame(
  { files, frames }: OutputCheck,
  pattern: PathPattern,
  task: TaskParameters,
): Result<Wanted[], string> {
  const names = frameParameters(Object.entries(task).map(([name, { type }]) => ({ name, type })));
  const value = task[frames ?? names[0] ?? '']?.value;
  const range = parseIntRange(value ?? '');
  if (!range.ok) return err(`the check of ${files}: no frames are known of this task`);
  if (range.value.length > BigInt(outputFilesMax)) {
    const all = printIntRange(range.value);
    return err(`the check of ${files}: a task writes ${outputFilesMax} files at most, not ${all}`);
  }
  return ok(
    Array.from({ length: Number(range.value.length) }, (_, i) => {
      const frame = nthInRange(range.value, BigInt(i)) ?? 0n;
      return { pattern: withFrame(pattern, frame), frame };
    }),
  );
}

/** Names of the parameters whose values can be frames. */
export const frameParameters = (parameters: readonly { name: string; type: string }[]): string[] =>
  parameters.filter(({ type }) => type === 'INT' || type === 'CHUNK[INT]').map(({ name }) => name);
