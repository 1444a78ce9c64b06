import { CliError } from '../failure.ts';

/** What a job's manifest can hold. */
const INPUTS_MAX = 200_000;

/** Throws CliError where there are more files than that. */
export function checkInputCount(count: number): void {
  if (count <= INPUTS_MAX) return;
  throw new CliError(`The job brings more than ${INPUTS_MAX} files: a job can have no more.`);
}
