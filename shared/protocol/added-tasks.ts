import { z } from 'zod';
import { rangeListMax, taskParameterValueMax } from '../openjd/limits.ts';
import { stepSchema } from './job.ts';

const index = z.int().min(0);

/** Tasks to add to a step of a job that is there. */
export const addTasksSchema = z
  .strictObject({
    step: z.string().min(1).describe("The step's name."),
    ranges: z
      .record(
        z.string(),
        z.union([
          z.string().max(65_536),
          z
            .array(z.union([z.string().max(4 * taskParameterValueMax), z.number()]))
            .max(rangeListMax),
        ]),
      )
      .describe(
        'New values by task parameter: a range expression of integers (241-300), or a list of values. Other parameters keep the values that the step began with.',
      ),
  })
  .meta({ id: 'AddTasks' });
export type AddTasks = z.infer<typeof addTasksSchema>;

export const addedTasksSchema = z
  .object({
    step: stepSchema,
    first: index.describe('Index of the first task that was added.'),
    last: index.describe('Index of the last.'),
    startedDependents: z
      .array(z.string())
      .min(1)
      .optional()
      .describe(
        'Steps that depend on this one and had begun already: they do not wait for the added tasks. Requeue their tasks to run them again.',
      ),
  })
  .meta({ id: 'AddedTasks' });
export type AddedTasks = z.infer<typeof addedTasksSchema>;
