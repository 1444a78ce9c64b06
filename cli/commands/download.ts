import path from 'node:path';
import { z } from 'zod';
import type { ApiClient } from '../api/client.ts';
import { type CliContext, say } from '../context.ts';
import { withInterrupt } from '../interrupt.ts';
import { count, formatBytes } from '../terminal/text.ts';
import { downloadOutputs } from '../transfer/download-outputs.ts';
import { TransferMeter } from '../transfer/transfer-meter.ts';
import { addConnectionOptions, type CommandLine, connectWith, example } from './command-line.ts';

const optionsSchema = z.object({ step: z.string().optional(), dir: z.string().optional() });

export function addDownloadCommand({ program, context }: CommandLine): void {
  const command = program
    .command('download')
    .description(
      'Download the outputs of a job. Files that are there already are not fetched again.',
    )
    .argument('<job>', 'the job id')
    .option('--step <name>', 'only the outputs of this step')
    .option('-d, --dir <dir>', 'where to put them (default: a directory named after the job)');
  addConnectionOptions(command);
  example(command, 'karst download job-0123456789abcdef0123 --step Render -d frames');
  command.action(async (jobId: string) => {
    const { step, dir } = optionsSchema.parse(command.opts());
    const api = await connectWith(context, command);
    await downloadJob(context, api, { jobId, step, dir: dir ?? jobId });
  });
}

/** Downloads and says what came. */
export async function downloadJob(
  context: CliContext,
  api: ApiClient,
  request: { jobId: string; step: string | undefined; dir: string },
): Promise<void> {
  const dir = path.resolve(context.cwd, request.dir);
  const meter = new TransferMeter(context.stderr, context.clock);
  try {
    const summary = await withInterrupt((signal) =>
      downloadOutputs(api, { jobId: request.jobId, step: request.step, dir, signal }, meter),
    );
    meter.clear();
    const { downloadedCount, downloadedBytes, presentCount, sharedPaths } = summary;
    const present = presentCount > 0 ? `; ${count(presentCount, 'file')} there already` : '';
    const what = `${count(downloadedCount, 'file')} (${formatBytes(downloadedBytes)})`;
    say(context, `Downloaded ${what} to ${dir}${present}.`);
    const [shared] = sharedPaths;
    if (shared !== undefined) {
      say(
        context,
        `${count(sharedPaths.size, 'path')} came from more than one task, such as ${shared}: ` +
          'the last one listed was kept. Use --step to tell them apart.',
      );
    }
  } finally {
    meter.clear();
  }
}
