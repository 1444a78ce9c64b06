import type { ResolvedStep } from '@karst/shared/openjd/resolved-job.ts';
import type { Grant, LeaseDefinition, TaskResult } from '@karst/shared/protocol/lease.ts';

/** A lease as the test orchestrator keeps it. */
export interface TestLease {
  grant: Grant;
  definition: LeaseDefinition;
  inputs: { path: string; sha256: string; sizeBytes: number; executable: boolean }[];
  state: 'waiting' | 'granted' | 'lost' | 'closed';
  results: TaskResult[];
  log: Map<number, string>;
}

export interface LeaseOptions {
  /** Another span of the same step. */
  like?: TestLease;
  step?: Pick<ResolvedStep, 'script'> & Partial<ResolvedStep>;
  last?: number;
  /** Default: the same for all. */
  jobId?: Grant['jobId'];
  resources?: Grant['resources'];
  parameters?: LeaseDefinition['parameters'];
  locations?: LeaseDefinition['locations'];
  inputs?: TestLease['inputs'];
  outputChecks?: LeaseDefinition['outputChecks'];
  /** Of job and step, in the order they are entered. */
  environments?: LeaseDefinition['environments'];
}
