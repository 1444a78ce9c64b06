import { createHash } from 'node:crypto';
import type { ResolvedEnvironment } from '@karst/shared/openjd/resolved-job.ts';
import type { JobId } from '@karst/shared/protocol/ids.ts';
import type { Grant, LeaseDefinition, Resources } from '@karst/shared/protocol/lease.ts';

/** Which leases may share a session: those of one job whose steps run in the same surroundings. */
export interface SessionKey {
  jobId: JobId;
  /** SHA-256 of all that must be equal besides the job. */
  surroundings: string;
}

/**
 * What a session is made of and can't change while it lives. A job's steps have parameters and places
 * of files in common, and with them path mapping; what they can differ in is listed here.
 */
interface Surroundings {
  environments: readonly ResolvedEnvironment[];
  /** An application that was loaded on one GPU stays there. */
  resources: Resources | undefined;
}

export function sessionKey(
  { jobId, resources }: Pick<Grant, 'jobId' | 'resources'>,
  { environments = [] }: Pick<LeaseDefinition, 'environments'>,
): SessionKey {
  return { jobId, surroundings: hashOf({ environments, resources }) };
}

/** Equal for equal surroundings, however their properties are ordered. */
const hashOf = (surroundings: Surroundings): string =>
  createHash('sha256').update(JSON.stringify(surroundings, inOrder)).digest('hex');

function inOrder(_name: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
