import type { PathMappingRule } from '@karst/shared/openjd/path-mapping-rules.ts';
import type { ResolvedEnvironment } from '@karst/shared/openjd/resolved-job.ts';
import type { LeaseDefinition } from '@karst/shared/protocol/lease.ts';

/** What a session is made of: nothing of a step but its environments. */
export interface SessionDefinition
  extends Pick<LeaseDefinition, 'jobName' | 'parameters' | 'locations' | 'pathMapping'> {
  /** Of job and step, in the order they are entered. */
  environments?: readonly ResolvedEnvironment[] | undefined;
  /** Absent: those of the job's file tree. */
  pathMappingRules?: readonly PathMappingRule[];
}
