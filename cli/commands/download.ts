import path from 'node:path';
import type { FarmEvent } from '@karst/shared/protocol/event.ts';
import { z } from 'zod';
import type { ApiClient } from '../api/client.ts';
import { type CliContext, say } from '../context.ts';
import type { ExitCode } from '../exit-codes.ts';
import { usageError } from '../failure.ts';
import { withInterrupt } from '../interrupt.ts';
import { count, formatBytes } from '../terminal/text.ts';
import { type DownloadSummary, OutputDownloader } from '../transfer/download-outputs.ts';
import { downloadZip } from '../transfer/download-zip.ts';
import { OutputFollower } from '../transfer/follow-outputs.ts';
import { openHashCache } from '../transfer/open-hash-cache.ts';
import { PresentFiles } from '../transfer/present-files.ts';
import { TransferMeter } from '../transfer/transfer-meter.ts';
import { shellWord } from '../wait/first-failure.ts';
import { waitForJob } from '../wait/wait-for-job.ts';
import { addConnectionOptions, type CommandLine, connectWith, example } from './command-line.ts';

const optionsSchema = z.object({
  step: z.string().optional(),
  dir: z.string().optional(),
  follow: z.boolean().default(false),
  zip: z.string().optional(),
});

export function addDownloadCommand({ program, context, finish }: CommandLine): void {
  const command = program
    .command('download')
    .description(
      'Download the outputs of a job. Files that are there already are not fetched again, and what ' +
        'was broken off is gone on with. Every file is checked against its SHA-256.',
    )
    .argument('<job>', 'the job id')
    .option('--step <name>', 'only the outputs of this step')
    .option('-d, --dir <dir>', 'where to put them (default: a directory named after the job)')
    .option('-f, --follow', 'fetch outputs as tasks finish, until the job is over')
    .option('--zip <file>', 'all in one zip file instead; - for stdout');
  addConnectionOptions(command);
  command.addHelpText(
    'after',
    '\nWith --follow it exits as karst wait does: 0 when the job succeeded, 2 canceled, 5 failed, 130 detached.',
  );
  example(
    command,
    'karst download job-0123456789abcdef0123 --step Render -d frames',
    'karst download job-0123456789abcdef0123 --follow',
  );
  command.action(async (jobId: string) => {
    const { step, dir, follow, zip } = optionsSchema.parse(command.opts());
    if (zip !== undefined && (follow || dir !== undefined)) {
      throw usageError('--zip makes one file at once: it goes with neither --follow nor --dir.');
    }
    const api = await connectWith(context, command);
    const request = { jobId, step, dir: dir ?? jobId };
    if (zip !== undefined) await zipJob(context, api, { jobId, step, zip });
    else if (follow) finish(await followJob(context, api, request));
    else await downloadJob(context, api, request);
  });
}

interface DownloadRequest {
  jobId: string;
  step: string | undefined;
  dir: string;
}

/** Downloads and says what came. */
export async function downloadJob(
  context: CliContext,
  api: ApiClient,
  { jobId, step, dir }: DownloadRequest,
): Promise<void> {
  const target = path.resolve(context.cwd, dir);
  const meter = new TransferMeter(context.stderr, context.clock);
  const present = new PresentFiles(openHashCache(context), context.clock);
  const downloader = new OutputDownloader(api, target, { meter, present });
  try {
    meter.begin('Downloading');
    await withInterrupt((signal) => downloader.bring({ jobId, step }, signal));
  } finally {
    meter.clear();
    await present.close();
  }
  saySummary(context, downloader.summary, target);
}

async function zipJob(
  context: CliContext,
  api: ApiClient,
  { jobId, step, zip }: { jobId: string; step: string | undefined; zip: string },
): Promise<void> {
  const target = zip === '-' ? context.stdout : path.resolve(context.cwd, zip);
  const meter = new TransferMeter(context.stderr, context.clock);
  let bytes = 0;
  const onBytes = (more: number) => {
    bytes += more;
    meter.addBytes(more);
  };
  try {
    meter.begin('Downloading');
    await withInterrupt((signal) => downloadZip(api, { jobId, step, target, signal, onBytes }));
  } finally {
    meter.clear();
  }
  say(context, `Downloaded ${formatBytes(bytes)} to ${zip === '-' ? 'stdout' : target}.`);
}

/** Downloads while the job runs; answers with the exit code of waiting for it. */
async function followJob(
  context: CliContext,
  api: ApiClient,
  { jobId, step, dir }: DownloadRequest,
): Promise<ExitCode> {
  const target = path.resolve(context.cwd, dir);
  // The waiting's own line tells what came.
  const meter = { addBytes: () => undefined, addFile: () => undefined };
  const present = new PresentFiles(openHashCache(context), context.clock);
  const downloader = new OutputDownloader(api, target, { meter, present });
  const selection = { jobId, step };
  const follower = new OutputFollower(downloader, selection);
  const flags = [step === undefined ? '' : ` --step ${shellWord(step)}`, ` -d ${shellWord(dir)}`];
  const company = {
    alsoShown: () => {
      const { downloadedCount, downloadedBytes } = downloader.summary;
      if (downloadedCount === 0) return '';
      return `, ${count(downloadedCount, 'file')} here (${formatBytes(downloadedBytes)})`;
    },
    onEvent: (event: FarmEvent) => follower.onEvent(event),
    work: (signal: AbortSignal) => follower.run(signal),
    command: `karst download ${jobId}${flags.join('')} --follow`,
  };
  try {
    const { exitCode } = await waitForJob(context, api, jobId, undefined, company);
    // What was under way when the job ended, and what its last tasks left.
    await withInterrupt((signal) => downloader.bring(selection, signal));
    saySummary(context, downloader.summary, target);
    return exitCode;
  } finally {
    await present.close();
  }
}

function saySummary(context: CliContext, summary: DownloadSummary, dir: string): void {
  const { downloadedCount, downloadedBytes, presentCount, sharedPaths } = summary;
  const present = presentCount > 0 ? `; ${count(presentCount, 'file')} there already` : '';
  const what = `${count(downloadedCount, 'file')} (${formatBytes(downloadedBytes)})`;
  say(context, `Downloaded ${what} to ${dir}${present}.`);
  const [shared] = sharedPaths;
  if (shared === undefined) return;
  say(
    context,
    `${count(sharedPaths.size, 'path')} came from more than one task, such as ${shared}: ` +
      'the last one listed was kept. Use --step to tell them apart.',
  );
}
