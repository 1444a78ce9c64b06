import type { Job } from '@karst/shared/protocol/job.ts';
import { plainText } from '../terminal/text.ts';

/** "Render is held for approval: karst release JOB"; undefined while nothing waits for a person. */
export function heldText({ id, heldSteps }: Job): string | undefined {
  if (heldSteps === undefined) return undefined;
  const are = heldSteps.length === 1 ? 'is' : 'are';
  return `${plainText(heldSteps.join(', '))} ${are} held for approval: karst release ${id}`;
}
