import path from 'node:path';
import { previewRoutes } from '@karst/shared/protocol/preview-routes.ts';
import type { StepPreviews } from '@karst/shared/protocol/previews.ts';
import { routes } from '@karst/shared/protocol/routes.ts';
import { z } from 'zod';
import { patientRetry } from '../api/backoff.ts';
import type { ApiClient } from '../api/client.ts';
import { type CliContext, say } from '../context.ts';
import { CliError } from '../failure.ts';
import { withInterrupt } from '../interrupt.ts';
import { localName, saveAnswer } from '../previews/save-answer.ts';
import { stepPreviews } from '../previews/step-previews.ts';
import { count } from '../terminal/text.ts';
import { addConnectionOptions, type CommandLine, connectWith, example } from './command-line.ts';

const optionsSchema = z.object({
  step: z.string().optional(),
  dir: z.string().optional(),
  thumbnails: z.boolean().default(false),
});

/** `previews`: contact sheets and films of a job, made by the farm. */
export function addPreviewsCommand({ program, context }: CommandLine): void {
  const command = program
    .command('previews')
    .description('Fetch the contact sheets and films that the farm has made of a job’s pictures.')
    .argument('<job>', 'the job id')
    .option('--step <name>', 'only those of this step')
    .option('-d, --dir <dir>', 'where to put them (default: <job>-previews)')
    .option('--thumbnails', 'also a thumbnail of every picture');
  addConnectionOptions(command);
  example(command, 'karst previews job-0123456789abcdef0123 --step Render -d previews');
  command.action(async (jobId: string) => {
    const { step, dir, thumbnails } = optionsSchema.parse(command.opts());
    const api = await connectWith(context, command);
    const target = path.resolve(context.cwd, dir ?? `${jobId}-previews`);
    const { items: steps } = await api.call(routes.listSteps, { params: { jobId } });
    const wanted = steps.filter(({ name }) => step === undefined || name === step);
    if (wanted.length === 0) throw new CliError(`The job has no step "${step}".`);
    const saved: string[] = [];
    await withInterrupt(async (signal) => {
      for (const { name } of wanted) {
        const previews = await stepPreviews(
          api,
          { jobId, step: name, thumbnails },
          context,
          signal,
        );
        const into = wanted.length === 1 ? target : path.join(target, localName(name));
        saved.push(...(await save(api, { jobId, step: name }, previews, into, signal)));
      }
    });
    if (saved.length === 0) say(context, 'The farm has made no previews of this job.');
    else tellSaved(context, saved);
  });
}

interface Place {
  jobId: string;
  step: string;
}

/** Fetches what is listed; answers where the contact sheet and the films are. */
async function save(
  api: ApiClient,
  place: Place,
  previews: StepPreviews,
  dir: string,
  signal: AbortSignal,
): Promise<string[]> {
  const saved: string[] = [];
  const fetched = async (
    row: 'getPreviewPicture' | 'getPreviewMovie',
    href: string,
    to: string,
  ) => {
    const name = href.split('/').at(-1) ?? '';
    const file = path.join(dir, to);
    const options = { signal, retry: patientRetry };
    const answer = await api.stream(previewRoutes[row], { params: { ...place, name } }, options);
    await saveAnswer(answer, file);
    return file;
  };
  const { contactSheet, movies, pictures } = previews;
  if (contactSheet !== undefined) {
    saved.push(await fetched('getPreviewPicture', contactSheet.href, 'contact-sheet.jpg'));
  }
  for (const { href, pattern } of movies) {
    saved.push(await fetched('getPreviewMovie', href, `${localName(pattern)}.mp4`));
  }
  for (const { thumbnail, path: treePath } of pictures) {
    if (thumbnail === undefined) continue;
    await fetched('getPreviewPicture', thumbnail, path.join('thumbnails', `${treePath}.jpg`));
  }
  return saved;
}

function tellSaved(context: CliContext, files: readonly string[]): void {
  say(context, `Fetched ${count(files.length, 'preview')}:`);
  for (const file of files) say(context, `  ${path.relative(context.cwd, file)}`);
}
