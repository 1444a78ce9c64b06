import { spawn } from 'node:child_process';
import path from 'node:path';
import { z } from 'zod';
import type { CliContext } from '../context.ts';
import { entryFile } from '../up/parts.ts';
import { type CommandLine, example, integer } from './command-line.ts';

const serveOptions = z.object({
  host: z.string().optional(),
  port: z.int().optional(),
  redisUrl: z.string().optional(),
  s3Endpoint: z.string().optional(),
  s3Region: z.string().optional(),
  s3Bucket: z.string().optional(),
  adminKeyFile: z.string().optional(),
});
const agentOptions = z.object({
  url: z.string().optional(),
  dir: z.string().optional(),
  tokenFile: z.string().optional(),
  name: z.string().optional(),
  slots: z.int().optional(),
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

/** `agent`: this machine as a node. */
export function addAgentCommand({ program, context }: CommandLine): void {
  const command = program
    .command('agent')
    .description('Run the agent: this machine becomes a node of a farm.')
    .option('--url <url>', 'the orchestrator (KARST_URL)')
    .option('--dir <dir>', 'where the agent keeps its key and its files (KARST_AGENT_DIR)')
    .option('--token-file <file>', 'the one-time enrolment token (KARST_ENROLLMENT_TOKEN, _FILE)')
    .option(
      '--name <name>',
      'what people call this node; default: the host’s name (KARST_NODE_NAME)',
    )
    .option('--slots <n>', 'tasks at once; default: 1 (KARST_SLOTS)', integer(1, 4096));
  example(command, 'karst agent --url https://farm.example.org --token-file token --slots 8');
  command.action(async () => {
    const options = agentOptions.parse(command.opts());
    await runRole(context, '@karst/agent/main.ts', {
      KARST_URL: options.url,
      KARST_AGENT_DIR: absolute(context, options.dir),
      KARST_ENROLLMENT_TOKEN_FILE: absolute(context, options.tokenFile),
      KARST_NODE_NAME: options.name,
      KARST_SLOTS: options.slots?.toString(),
    });
  });
}

const absolute = (context: CliContext, file: string | undefined) =>
  file === undefined ? undefined : path.resolve(context.cwd, file);

/** Runs a role in the foreground: its output is ours, signals go to it, its exit code ends us. */
async function runRole(
  context: CliContext,
  specifier: string,
  told: Record<string, string | undefined>,
): Promise<void> {
  const flags = Object.entries(told).filter(([, value]) => value !== undefined);
  const child = spawn(process.execPath, [entryFile(specifier)], {
    env: { ...context.env, ...Object.fromEntries(flags), KARST_EXIT_WITH_PARENT: '1' },
    stdio: ['pipe', 'inherit', 'inherit'],
    // Ctrl-C reaches it through us only, once.
    detached: true,
  });
  child.stdin?.on('error', () => undefined);
  const forward = (signal: NodeJS.Signals) => child.kill(signal);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, forward);
  const code = await new Promise<number>((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (exitCode) => resolve(exitCode ?? 1));
  });
  process.exit(code);
}
