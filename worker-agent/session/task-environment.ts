import type { LeaseId } from '@karst/shared/protocol/ids.ts';
import type { Grant } from '@karst/shared/protocol/lease.ts';
import { marker } from '../process/kill-tree.ts';
import type { Session } from './session.ts';
import type { SessionStep } from './session-step.ts';

/** What of this machine tasks may see; read once, at start. */
export interface HostEnvironment {
  /** PATH given to tasks. */
  path: string;
  user: string;
  /** The agent's state directory, by which a later agent knows the processes of this one. */
  agentDir: string;
  /** Variables that tell which accelerators may be used, as the agent was given them. */
  devices: Record<string, string>;
  /**
   * What was reserved for the lease, as variables. They hold whatever an environment sets: a job that
   * names a GPU by its number would otherwise use one that is another's.
   */
  reserved?: Record<string, string>;
  /** Actions see all of this instead: for a person who runs a template on their own machine. */
  inherited?: Record<string, string>;
}

/** Names of the variables passed through in `devices`. */
export const deviceVariables = [
  'NVIDIA_VISIBLE_DEVICES',
  'CUDA_VISIBLE_DEVICES',
  'ROCR_VISIBLE_DEVICES',
  'HIP_VISIBLE_DEVICES',
  'ASCEND_RT_VISIBLE_DEVICES',
] as const;

/**
 * A task's whole environment. Nothing else of the agent's reaches it: its secrets are none of the
 * task's business, and a stray PYTHONPATH breaks applications that bring their own Python.
 */
export function taskEnvironment(
  host: HostEnvironment,
  step: SessionStep,
  grant: Pick<Grant, 'jobId' | 'leaseId'>,
  task: number,
): Record<string, string> {
  return {
    ...step.session.variables.applyTo(baseEnvironment(host, step.session)),
    ...host.reserved,
    KARST_JOB_ID: grant.jobId,
    KARST_STEP: step.name,
    [marker.agentDir]: host.agentDir,
    [marker.lease]: grant.leaseId,
    [marker.task]: String(task),
  };
}

/** As taskEnvironment, for a task that no farm knows. */
export function localTaskEnvironment(
  host: HostEnvironment,
  step: SessionStep,
  leaseId: LeaseId,
  task: number,
): Record<string, string> {
  return {
    ...step.session.variables.applyTo(baseEnvironment(host, step.session)),
    KARST_STEP: step.name,
    [marker.agentDir]: host.agentDir,
    [marker.lease]: leaseId,
    [marker.task]: String(task),
  };
}

/** The whole environment of an environment's action; `action` tells it from the session's others. */
export function actionEnvironment(
  host: HostEnvironment,
  session: Session,
  action: string,
): Record<string, string> {
  return {
    ...session.variables.applyTo(baseEnvironment(host, session)),
    ...host.reserved,
    [marker.agentDir]: host.agentDir,
    [marker.session]: session.id,
    [marker.action]: action,
  };
}

function baseEnvironment(host: HostEnvironment, session: Session): Record<string, string> {
  if (host.inherited !== undefined) return host.inherited;
  return {
    ...host.devices,
    PATH: host.path,
    HOME: session.dir,
    TMPDIR: session.tmpDir,
    LANG: 'C.UTF-8',
    USER: host.user,
  };
}
