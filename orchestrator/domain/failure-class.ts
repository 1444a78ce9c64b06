import type { FailureRule } from '@karst/shared/protocol/failure-rules.ts';
import type { FailureClass, FailureKind } from '@karst/shared/protocol/task.ts';

/** What becomes of a failed attempt. */
export interface Verdict {
  /** fault: whose it is. */
  fault: FailureClass;
  /** No retry would mend it. */
  fatal: boolean;
  /** It waits for something of the farm's, for as long as it takes: no count of tries ends it. */
  patient: boolean;
  /** Whether the next try goes to another node. */
  avoidsNode: boolean;
  /** Before the next try, ms; undefined: longer each time. */
  delayMs?: number | undefined;
  /** The rule that decided. */
  rule?: string | undefined;
}

export interface SeenFailure {
  kind: FailureKind;
  /** The name of a rule, as the agent says. */
  rule?: string | undefined;
  step: string;
}

/**
 * Decides about a failure. A job's rules speak of what would be the task's own fault only: a node that
 * says its disk is full knows better. A rule that the job does not have for the step changes nothing.
 */
export function judgeFailure(
  { kind, rule: name, step }: SeenFailure,
  rules: readonly FailureRule[],
): Verdict {
  const fault = failureClass(kind);
  const rule = rules.find((one) => one.name === name && (one.steps?.includes(step) ?? true));
  if (rule === undefined || fault !== 'task') {
    return { fault, fatal: false, patient: false, avoidsNode: fault !== 'farm' };
  }
  return {
    fault: rule.as === 'fatal' ? 'task' : rule.as,
    fatal: rule.as === 'fatal',
    patient: rule.as === 'farm',
    avoidsNode: rule.avoidNode ?? rule.as !== 'farm',
    delayMs: rule.delaySeconds === undefined ? undefined : rule.delaySeconds * 1000,
    rule: rule.name,
  };
}

/** Whose fault a failure is: DESIGN section 4.6. Only the task's own costs one of its retries. */
export function failureClass(kind: FailureKind): FailureClass {
  switch (kind) {
    case 'exit':
    case 'signal':
    case 'timeout':
    case 'silent':
    case 'reported':
    case 'command':
    case 'outputs':
      return 'task';
    case 'disk_full':
    case 'out_of_memory':
    case 'node':
      return 'node';
    case 'inputs':
    case 'storage':
      return 'farm';
    default:
      return unreachable(kind);
  }
}

function unreachable(kind: never): never {
  throw new Error(`unknown failure kind ${String(kind)}`);
}
