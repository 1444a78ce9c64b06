import { z } from 'zod';
import { type CommandLine, example, integer } from './command-line.ts';
import { runRole } from './run-role.ts';

const optionsSchema = z.object({
  redisUrl: z.string().optional(),
  s3Endpoint: z.string().optional(),
  s3Region: z.string().optional(),
  s3Bucket: z.string().optional(),
  concurrency: z.int().optional(),
});

/** `preview-worker`: what makes previews, beside an orchestrator. Secrets come by the environment only. */
export function addPreviewWorkerCommand({ program, context }: CommandLine): void {
  const command = program
    .command('preview-worker')
    .description(
      'Make thumbnails, contact sheets and films, and look for black or broken frames. Needs ffmpeg.',
    )
    .option('--redis-url <url>', 'the orchestrator’s Redis or Valkey (REDIS_URL)')
    .option('--s3-endpoint <url>', 'its object storage (KARST_S3_ENDPOINT)')
    .option('--s3-region <name>', 'its region (KARST_S3_REGION)')
    .option('--s3-bucket <name>', 'the bucket (KARST_S3_BUCKET)')
    .option(
      '--concurrency <n>',
      'pictures at once (KARST_PREVIEW_CONCURRENCY; default: a quarter of the cores)',
      integer(1, 256),
    )
    .addHelpText(
      'after',
      '\nKARST_S3_ACCESS_KEY and KARST_S3_SECRET_KEY give the credentials. Several may run.',
    );
  example(command, 'karst preview-worker --s3-bucket renders --concurrency 8');
  command.action(async () => {
    const options = optionsSchema.parse(command.opts());
    await runRole(context, '@karst/orchestrator/previews-main.ts', {
      REDIS_URL: options.redisUrl,
      KARST_S3_ENDPOINT: options.s3Endpoint,
      KARST_S3_REGION: options.s3Region,
      KARST_S3_BUCKET: options.s3Bucket,
      KARST_PREVIEW_CONCURRENCY: options.concurrency?.toString(),
    });
  });
}
