import { availableParallelism } from 'node:os';
import path from 'node:path';
import { z } from 'zod';
import {
  adminKeyPath,
  FARM_DIR_NAME,
  findFarmDir,
  readFarmFile,
} from '../connection/farm-files.ts';
import { type CliContext, print, say } from '../context.ts';
import { count } from '../terminal/text.ts';
import { Farm } from '../up/farm.ts';
import { takeFarmLock } from '../up/farm-lock.ts';
import { choosePorts, loadSecrets, prepareFarmDir } from '../up/farm-state.ts';
import { type FarmSettings, S3_BUCKET, S3_REGION, s3Endpoint } from '../up/parts.ts';
import { portFreed } from '../up/ports.ts';
import { StopRequests } from '../up/stop-requests.ts';
import { type CommandLine, example, integer } from './command-line.ts';

const optionsSchema = z.object({
  dir: z.string(),
  port: z.int().optional(),
  agents: z.int().min(0),
  agent: z.boolean(),
  slots: z.int().optional(),
  json: z.boolean().default(false),
});
type UpOptions = z.infer<typeof optionsSchema>;

/** After a `karst up` was killed, its processes need a moment to notice. */
const LEFTOVER_MS_MAX = 20_000;

export function addUpCommand({ program, context }: CommandLine): void {
  const command = program
    .command('up')
    .description('Run a whole farm on this machine: Redis, storage, orchestrator and agents.')
    .option('--dir <dir>', 'where the farm keeps its data', FARM_DIR_NAME)
    .option(
      '--port <port>',
      'port of the orchestrator (default: last time’s, or 7420)',
      integer(0, 65_535),
    )
    .option('--agents <n>', 'how many agents to run', integer(0, 64), 1)
    .option(
      '--slots <n>',
      'tasks each agent runs at once (default: the cores, shared)',
      integer(1, 4096),
    )
    .option('--no-agent', 'run no agent')
    .option('--json', 'print {"event":"ready","url",…} on stdout once everything runs');
  command.addHelpText(
    'after',
    '\nREDIS_URL: use this Redis instead of a private one. Ctrl-C lets running tasks finish, a second stops at once.',
  );
  example(command, 'karst up', 'karst up --port 8000 --agents 2 --slots 4');
  command.action(async () => up(context, optionsSchema.parse(command.opts())));
}

async function up(context: CliContext, options: UpOptions): Promise<void> {
  const dir = path.resolve(context.cwd, options.dir);
  await prepareFarmDir(dir);
  const lock = await takeFarmLock(dir, context.random);
  const stopRequests = new StopRequests({ parent: context.env.KARST_EXIT_WITH_PARENT === '1' });
  try {
    if (lock.replacedStale) await waitForLeftovers(context, dir);
    const agentCount = options.agent ? options.agents : 0;
    const settings: FarmSettings = {
      dir,
      farm: await choosePorts(dir, options.port),
      secrets: await loadSecrets(dir, context.random),
      redisUrl: context.env.REDIS_URL || undefined,
      slots:
        options.slots ?? Math.max(1, Math.floor(availableParallelism() / Math.max(1, agentCount))),
      env: context.env,
      clock: context.clock,
    };
    await runFarm(context, settings, { agentCount, json: options.json }, stopRequests);
  } finally {
    await lock.release();
    stopRequests.close();
  }
}

async function waitForLeftovers(context: CliContext, dir: string): Promise<void> {
  const farm = await readFarmFile(dir);
  for (const port of [farm?.port, farm?.s3Port]) {
    if (port !== undefined) await portFreed(port, LEFTOVER_MS_MAX, context.clock);
  }
}

async function runFarm(
  context: CliContext,
  settings: FarmSettings,
  options: { agentCount: number; json: boolean },
  stopRequests: StopRequests,
): Promise<void> {
  const running = new Farm(context, settings);
  try {
    say(context, 'Starting the farm ...');
    const starting = running.start(options.agentCount, stopRequests.first);
    await Promise.race([starting, stopRequests.requested()]);
    stopRequests.first.throwIfAborted();
    const { nodeIds } = await starting;
    welcome(context, settings, nodeIds);
    if (options.json) {
      const { dir, farm } = settings;
      const s3 = { endpoint: s3Endpoint(farm), region: S3_REGION, bucket: S3_BUCKET };
      const ready = { event: 'ready', url: farm.url, keyFile: adminKeyPath(dir), dir, nodeIds, s3 };
      print(context, JSON.stringify(ready));
    }
    await stopRequests.requested();
  } catch (error) {
    if (!stopRequests.first.aborted) throw error;
  } finally {
    if (stopRequests.first.aborted) {
      say(context, 'Stopping; running tasks finish first. Ctrl-C again stops at once.');
    }
    await running.stop(stopRequests.second);
  }
  say(context, `Stopped. The data is in ${settings.dir}; karst up goes on from there.`);
}

function welcome(context: CliContext, settings: FarmSettings, nodeIds: readonly string[]): void {
  const { dir, farm } = settings;
  const isFoundFromHere = findFarmDir(context.cwd) === dir;
  const flags = isFoundFromHere ? '' : ` --url ${farm.url} --key-file ${adminKeyPath(dir)}`;
  say(context, `Karst is up at ${farm.url} with ${count(nodeIds.length, 'agent')}.`);
  say(context, `  Submit a job:   karst submit examples/hello --wait${flags}`);
  say(context, `  Admin API key:  ${adminKeyPath(dir)}`);
  say(context, `  Data and logs:  ${dir}`);
  say(context, 'Ctrl-C stops it.');
}
