import { z } from 'zod';
import { type CommandLine, example, integer } from './command-line.ts';
import { absolute, runRole } from './run-role.ts';

const serveOptions = z.object({
  host: z.string().optional(),
  port: z.int().optional(),
  redisUrl: z.string().optional(),
  s3Endpoint: z.string().optional(),
  s3Region: z.string().optional(),
  s3Bucket: z.string().optional(),
  adminKeyFile: z.string().optional(),
});
/** `serve`: the orchestrator alone. Secrets come by the environment only: arguments are public. */
export function addServeCommand({ program, context }: CommandLine): void {
  const command = program
    .command('serve')
    .description('Run the orchestrator alone, on a Redis and an object storage of yours.')
    .option('--host <address>', 'where to listen (KARST_HOST)')
    .option('--port <port>', 'where to listen (KARST_PORT)', integer(0, 65_535))
    .option('--redis-url <url>', 'Redis or Valkey (REDIS_URL)')
    .option('--s3-endpoint <url>', 'object storage (KARST_S3_ENDPOINT)')
    .option('--s3-region <name>', 'its region (KARST_S3_REGION)')
    .option('--s3-bucket <name>', 'the bucket (KARST_S3_BUCKET)')
    .option('--admin-key-file <file>', 'where the admin API key is kept (KARST_ADMIN_KEY_FILE)')
    .addHelpText('after', '\nKARST_S3_ACCESS_KEY and KARST_S3_SECRET_KEY give the credentials.');
  example(command, 'karst serve --host 0.0.0.0 --port 7420 --s3-bucket renders');
  command.action(async () => {
    const options = serveOptions.parse(command.opts());
    await runRole(context, '@karst/orchestrator/main.ts', {
      KARST_HOST: options.host,
      KARST_PORT: options.port?.toString(),
      REDIS_URL: options.redisUrl,
      KARST_S3_ENDPOINT: options.s3Endpoint,
      KARST_S3_REGION: options.s3Region,
      KARST_S3_BUCKET: options.s3Bucket,
      KARST_ADMIN_KEY_FILE: absolute(context, options.adminKeyFile),
    });
  });
}
