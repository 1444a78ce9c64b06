import type { JobId } from '@karst/shared/protocol/ids.ts';
import type { Account } from './shares.ts';

/** What the choice of a step needs to know of it. */
export interface RankedStep {
  readonly jobId: JobId;
  readonly step: number;
  /** 0 to 100, higher first. */
  readonly priority: number;
  readonly createdAtMs: number;
}

/** Within one project: priority, then age of the job, then order in the job; the id breaks ties. */
export function compareSteps(a: RankedStep, b: RankedStep): number {
  return (
    b.priority - a.priority ||
    a.createdAtMs - b.createdAtMs ||
    (a.jobId < b.jobId ? -1 : a.jobId > b.jobId ? 1 : a.step - b.step)
  );
}

/** Between studios, and between the projects of one: claims first, then the least used share. */
export function compareAccounts(a: Account, b: Account): number {
  return (
    claimOf(a) - claimOf(b) || a.pass - b.pass || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0)
  );
}

/** 0 while an account holds less than it was guaranteed. */
const claimOf = (account: Account) => (account.running < account.guaranteed ? 0 : 1);
