import { jobStateSchema } from '@karst/shared/protocol/job.ts';
import { z } from 'zod';

/** end.json: how a job ended. Storage holds it for the day Redis is lost. */
export const jobEndSchema = z.object({
  state: jobStateSchema,
  message: z.string().default(''),
  /** How many tasks it had: where job.json has more, they were added afterwards and never ran. */
  tasks: z.int().optional(),
});
