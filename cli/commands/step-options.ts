import { gangPolicySchema, stepPolicySchema, taskOrderSchema } from '@karst/shared/protocol/job.ts';
import { type Command, InvalidArgumentError } from 'commander';
import { z } from 'zod';

const { order, scout, frameDependencies, gang } = stepPolicySchema.shape;

/** What a flag says of a step: part of its policy. */
export const stepSettingSchema = z.object({
  /** The flag, to be named when there is no such step. */
  flag: z.string(),
  step: z.string(),
  policy: z.object({ order: order.unwrap().optional(), scout, frameDependencies, gang }),
});
export type StepSetting = z.infer<typeof stepSettingSchema>;
type Said = StepSetting['policy'];

/** Options about single steps; all gather in `stepSettings`, in the order given. */
export function addStepOptions(command: Command): void {
  const settings: StepSetting[] = [];
  const gather =
    (flag: string, expected: string, read: (value: string) => Said | undefined) =>
    (text: string): StepSetting[] => {
      const [, step = '', value = ''] = /^(.+)=([^=]*)$/.exec(text) ?? [];
      const policy = step === '' ? undefined : read(value);
      if (policy === undefined) throw new InvalidArgumentError(`Expected ${expected}.`);
      settings.push({ flag, step, policy });
      command.setOptionValue('stepSettings', settings);
      return settings;
    };
  const orders = taskOrderSchema.options.join(', ');
  command
    .option(
      '--order <step=order>',
      `the order of a step's tasks: ${orders}`,
      gather('--order', `STEP=ORDER, with one of ${orders}`, (value) => {
        const parsed = taskOrderSchema.safeParse(value);
        return parsed.success ? { order: parsed.data } : undefined;
      }),
    )
    .option(
      '--scout <step=n>',
      'run so many tasks of a step first, then wait for karst release',
      gather('--scout', 'STEP=N, with a whole number from 1 to 1000', (value) => {
        const parsed = scout.safeParse(/^\d{1,4}$/.test(value) ? Number(value) : 0);
        return parsed.success ? { scout: parsed.data } : undefined;
      }),
    )
    .option(
      '--frame-by-frame <step=other>',
      "a task of the step starts when the other step's tasks of its own frames are done",
      gather('--frame-by-frame', 'STEP=OTHER, with a step it depends on', (other) =>
        other === '' ? undefined : { frameDependencies: [{ step: other }] },
      ),
    )
    .option(
      '--gang <step>',
      'run all tasks of a step at once, as the ranks of a training, or none',
      (step: string): StepSetting[] => {
        settings.push({ flag: '--gang', step, policy: { gang: gangPolicySchema.parse({}) } });
        command.setOptionValue('stepSettings', settings);
        return settings;
      },
    );
}
