import type { StepState } from '@karst/shared/protocol/job.ts';

export interface RetriedStep {
  readonly name: string;
  readonly state: StepState;
  /** Indices of the steps it waits for. */
  readonly dependsOn: readonly number[];
}

const lostStates: ReadonlySet<StepState> = new Set<StepState>(['failed', 'canceled']);

/**
 * Which steps a retry lets go on: the one named `only` (default: every step) and those canceled
 * because of it. A step that waits for one that stays failed or canceled must stay as it is: it
 * would wait for ever. Each comes behind those it waits for.
 */
export function stepsToRetry(steps: readonly RetriedStep[], only: string | undefined): number[] {
  const known = new Map<number, boolean>();
  const goesOn = (index: number): boolean => {
    const answer = known.get(index);
    if (answer !== undefined) return answer;
    const step = steps[index];
    const chosen =
      step !== undefined && (only === undefined || step.name === only || step.state === 'canceled');
    const result = chosen && step.dependsOn.every((of) => !isLost(of) || goesOn(of));
    known.set(index, result);
    return result;
  };
  const isLost = (index: number) => {
    const state = steps[index]?.state;
    return state !== undefined && lostStates.has(state);
  };
  const ordered: number[] = [];
  const seen = new Set<number>();
  const visit = (index: number): void => {
    if (seen.has(index)) return;
    seen.add(index);
    for (const of of steps[index]?.dependsOn ?? []) visit(of);
    if (goesOn(index)) ordered.push(index);
  };
  for (const index of steps.keys()) visit(index);
  return ordered;
}
