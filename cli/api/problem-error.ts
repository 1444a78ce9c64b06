import { printPath } from '@karst/shared/openjd/problem.ts';
import type { Problem } from '@karst/shared/protocol/problem.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { CliError } from '../failure.ts';

/** The API refused: an RFC 9457 problem, readable as it stands. */
export class ProblemResponseError extends CliError {
  override name = 'ProblemResponseError';
  readonly problem: Problem;

  constructor(problem: Problem, templateName?: string) {
    super(headline(problem), {
      exitCode: exitCodeOf(problem),
      details: (problem.errors ?? []).map((error) => fieldErrorLine(error, templateName)),
    });
    this.problem = problem;
  }
}

function headline(problem: Problem): string {
  // The detail often repeats the first field error, which is listed below with its place.
  const isListed = problem.errors?.some(({ message }) => message === problem.detail) ?? false;
  const said =
    problem.detail && !isListed ? `${problem.title}: ${problem.detail}` : `${problem.title}`;
  const reference = problem.status >= 500 && problem.instance ? ` (${problem.instance})` : '';
  return `${said}${reference}`;
}

function exitCodeOf(problem: Problem): ExitCode {
  if (problem.code === 'quota_exceeded') return exitCodes.error;
  return problem.status === 401 || problem.status === 403 ? exitCodes.auth : exitCodes.error;
}

/** `template.yaml:12:7 steps[0].script: expected …, found …`, as editors and people read it. */
export function fieldErrorLine(
  error: {
    readonly path: readonly (string | number)[];
    readonly message: string;
    readonly line?: number | undefined;
    readonly column?: number | undefined;
  },
  templateName = 'template',
): string {
  const inTemplate = error.path[0] === 'template';
  const path = inTemplate ? error.path.slice(1) : error.path;
  const where: string[] = [];
  if (error.line !== undefined) {
    where.push([templateName, error.line, error.column].filter((part) => part).join(':'));
  } else if (inTemplate) {
    where.push(templateName);
  }
  if (path.length > 0) where.push(printPath(path));
  return where.length === 0 ? error.message : `${where.join(' ')}: ${error.message}`;
}
