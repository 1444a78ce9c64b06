import type { Step } from '@karst/shared/protocol/job.ts';
import { routes } from '@karst/shared/protocol/routes.ts';
import { z } from 'zod';
import { quickRetry } from '../api/backoff.ts';
import type { ApiClient } from '../api/client.ts';
import { type CliContext, say } from '../context.ts';
import { plainText } from '../terminal/text.ts';
import { addConnectionOptions, type CommandLine, connectWith, example } from './command-line.ts';

const optionsSchema = z.object({ step: z.string().optional() });

/** `release`: lets steps run that wait for a person. */
export function addReleaseCommand({ program, context }: CommandLine): void {
  const command = program
    .command('release')
    .description('Let steps run that are held for approval.')
    .argument('<job>', 'the job id')
    .option('--step <name>', 'only this step, even before it could run (default: all that wait)');
  addConnectionOptions(command);
  example(command, 'karst release job-0123456789abcdef0123 --step Render');
  command.action(async (jobId: string) => {
    const { step } = optionsSchema.parse(command.opts());
    const api = await connectWith(context, command);
    const names = step === undefined ? await waitingSteps(context, api, jobId) : [step];
    for (const name of names) {
      const released = await api.call(
        routes.releaseStep,
        { params: { jobId, step: name } },
        { retry: quickRetry },
      );
      say(context, `Step ${plainText(released.name)} of job ${jobId} is ${released.state}.`);
    }
  });
}

/** Those that a person can have looked at what comes before; the others are held later. */
async function waitingSteps(context: CliContext, api: ApiClient, jobId: string): Promise<string[]> {
  const { items } = await api.call(routes.listSteps, { params: { jobId } });
  const held = items.filter((step) => step.held === true);
  const isReady = ({ state }: Step) => state !== 'blocked';
  for (const { name, dependsOn } of held.filter((step) => !isReady(step))) {
    const before = plainText(dependsOn.join(', '));
    const told = plainText(name);
    say(
      context,
      `${told} does not wait yet: ${before} comes first. --step releases it all the same.`,
    );
  }
  if (held.length === 0) say(context, `No step of job ${jobId} is held.`);
  return held.filter(isReady).map(({ name }) => name);
}
