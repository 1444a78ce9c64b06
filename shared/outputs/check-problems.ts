import { parseFormatString, referencesOf } from '../openjd/format-string.ts';
import { suggestion } from '../openjd/near-miss.ts';
import type { RawProblem } from '../openjd/problem.ts';
import { fillText } from '../openjd/resolve-task.ts';
import type { ResolvedJob, ResolvedStep } from '../openjd/resolved-job.ts';
import { quote } from '../openjd/text-rules.ts';
import { treePathSchema } from '../protocol/files.ts';
import type { StepPolicy } from '../protocol/job.ts';
import type { OutputCheck } from '../protocol/output-checks.ts';
import { hasFrame, onlyPath, type PathPattern, parsePattern, rootOf } from './path-pattern.ts';
import { checkSymbols, frameParameters } from './task-checks.ts';

interface PlacedJob {
  readonly job: ResolvedJob;
  /** Where PATH parameters stand in the file tree. */
  readonly locations: Readonly<Record<string, string>>;
}

/** Every problem that the output checks of a job's steps have with the job. Paths start with "policy". */
export function outputCheckProblems(
  { job, locations }: PlacedJob,
  policies: Readonly<Record<string, Pick<StepPolicy, 'outputs'>>>,
): RawProblem[] {
  return job.steps.flatMap((step) => {
    const { outputs = [] } = policies[step.name] ?? {};
    return outputs.flatMap((check, i) =>
      problemsOf(check, step, { job, locations }).map(({ field, message, found }) => ({
        path: ['policy', 'steps', step.name, 'outputs', i, field],
        message,
        found,
      })),
    );
  });
}

interface CheckProblem {
  field: 'files' | 'frames';
  message: string;
  found: string;
}

function problemsOf(check: OutputCheck, step: ResolvedStep, placed: PlacedJob): CheckProblem[] {
  const { files, frames } = check;
  const wrong = (message: string): CheckProblem[] => [
    { field: 'files', message: `${message} (found ${quote(files)})`, found: files },
  ];
  const format = parseFormatString(files);
  if (!format.ok) return wrong(format.error[0]?.message ?? 'expected names between {{ and }}');
  const { parameters = [] } = step.parameterSpace ?? {};
  // What tasks put there is looked at when they have run; here it is some name.
  const some = Object.fromEntries(
    parameters.map(({ name, type }) => [name, { type, value: 'x' }] as const),
  );
  const symbols = checkSymbols({ ...placed.job, locations: placed.locations }, some);
  for (const name of referencesOf(format.value)) {
    if (symbols.has(name)) continue;
    return wrong(unknownName(name, placed.job, [...symbols.keys()]));
  }
  const pattern = parsePattern(fillText(files, symbols));
  if (!pattern.ok) return wrong(pattern.error);
  const names = frameParameters(parameters);
  const problems = frameProblem(check, step, hasFrame(pattern.value), names);
  if (problems !== undefined) {
    const isNamed = frames !== undefined;
    if (!isNamed) return wrong(problems);
    return [{ field: 'frames', message: problems, found: frames }];
  }
  const path = onlyPath(pattern.value);
  const stored = treePathSchema.safeParse(path ?? 'x');
  if (!stored.success) return wrong(stored.error.issues[0]?.message ?? 'not a path');
  if (check.collect === true || isCollected(pattern.value, placed)) return [];
  return wrong(
    'no OUT or INOUT parameter has a place there, so nothing is collected (collect: true does)',
  );
}

function unknownName(name: string, { parameters }: ResolvedJob, known: string[]): string {
  const own = name.startsWith('Param.') ? parameters[name.slice('Param.'.length)] : undefined;
  if (own?.type === 'PATH') return `${quote(name)} has no place in the job's file tree`;
  const expected = known.length === 0 ? 'none' : known.join(', ');
  return `there is no ${quote(name)}${suggestion(name, known)} (expected ${expected})`;
}

function frameProblem(
  { frames }: OutputCheck,
  step: ResolvedStep,
  isNumbered: boolean,
  names: readonly string[],
): string | undefined {
  if (frames === undefined && !isNumbered) return undefined;
  if (frames !== undefined && !names.includes(frames)) {
    const expected = names.join(', ') || 'none';
    return `${quote(step.name)} has no INT or CHUNK[INT] parameter ${quote(frames)}${suggestion(frames, names)} (expected ${expected})`;
  }
  if (!isNumbered) return 'expected a place for the frame number, such as ####, in files';
  if (frames !== undefined || names.length === 1) return undefined;
  const found = names.length === 0 ? 'none' : names.join(', ');
  return `#### is the number of a frame: expected one INT or CHUNK[INT] parameter in ${quote(step.name)}, found ${found}: name it as frames`;
}

/** Whether an output location has room for what the pattern matches. */
function isCollected(pattern: PathPattern, { job, locations }: PlacedJob): boolean {
  const root = onlyPath(pattern) ?? rootOf(pattern);
  const isBelow = (path: string, dir: string) =>
    dir === '' || path === dir || path.startsWith(`${dir}/`);
  return Object.entries(locations).some(([name, place]) => {
    const { dataFlow } = job.parameters[name] ?? {};
    if (dataFlow !== 'OUT' && dataFlow !== 'INOUT') return false;
    return isBelow(root, place) || (onlyPath(pattern) === undefined && isBelow(place, root));
  });
}
