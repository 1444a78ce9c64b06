import { type Command, Option } from 'commander';
import { z } from 'zod';
import { type CommandLine, example, integer } from './command-line.ts';
import { absolute, runRole } from './run-role.ts';

const text = z.string().optional();
const whole = z.int().optional();
const optionsSchema = z.object({
  url: text,
  dir: text,
  tokenFile: text,
  name: text,
  slots: whole,
  region: text,
  site: text,
  provider: text,
  tags: text,
  amounts: text,
  attributes: text,
  software: text,
  latencyMs: text,
  cpus: whole,
  memoryMib: whole,
  idleOnly: z.boolean().optional(),
  idleMinutes: whole,
  idleStop: text,
  idleCommand: text,
});

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
  addPlaceOptions(command);
  addIdleOptions(command);
  example(
    command,
    'karst agent --url https://farm.example.org --token-file token --slots 8',
    'karst agent --idle-only --idle-stop hard --tags workstation,rtx --site berlin',
  );
  command.action(async () => {
    const options = optionsSchema.parse(command.opts());
    await runRole(context, '@karst/agent/main.ts', {
      KARST_URL: options.url,
      KARST_AGENT_DIR: absolute(context, options.dir),
      KARST_ENROLLMENT_TOKEN_FILE: absolute(context, options.tokenFile),
      KARST_NODE_NAME: options.name,
      KARST_SLOTS: options.slots?.toString(),
      KARST_REGION: options.region,
      KARST_SITE: options.site,
      KARST_PROVIDER: options.provider,
      KARST_TAGS: options.tags,
      KARST_AMOUNTS: options.amounts,
      KARST_ATTRIBUTES: options.attributes,
      KARST_SOFTWARE: options.software,
      KARST_LATENCY_MS: options.latencyMs,
      KARST_CPUS: options.cpus?.toString(),
      KARST_MEMORY_MIB: options.memoryMib?.toString(),
      KARST_IDLE_ONLY: options.idleOnly === true ? '1' : undefined,
      KARST_IDLE_MINUTES: options.idleMinutes?.toString(),
      KARST_IDLE_STOP: options.idleStop,
      KARST_IDLE_COMMAND: options.idleCommand,
    });
  });
}

/** What the farm matches jobs' requirements with, beside what the agent finds by itself. */
function addPlaceOptions(command: Command): void {
  command
    .option('--region <name>', 'where it stands (KARST_REGION)')
    .option('--site <name>', 'where it stands (KARST_SITE)')
    .option('--provider <name>', 'whose it is (KARST_PROVIDER)')
    .option('--tags <list>', 'tags, with commas (KARST_TAGS)')
    .option('--amounts <list>', 'custom amounts: amount.acme_licence=4,… (KARST_AMOUNTS)')
    .option(
      '--attributes <list>',
      'custom attributes: attr.studio_os=rocky9|rocky8,… (KARST_ATTRIBUTES)',
    )
    .option('--software <list>', 'applications it would not find: nuke=15.1,… (KARST_SOFTWARE)')
    .option('--latency-ms <list>', 'one way, to places: shanghai=18.5,… (KARST_LATENCY_MS)')
    .option('--cpus <n>', 'processors it may use; default: all (KARST_CPUS)', integer(1, 65_536))
    .option(
      '--memory-mib <n>',
      'memory it may use; default: all (KARST_MEMORY_MIB)',
      integer(1, 2 ** 31),
    );
}

function addIdleOptions(command: Command): void {
  command
    .option('--idle-only', 'work only while nobody uses the machine (KARST_IDLE_ONLY=1)')
    .option(
      '--idle-minutes <n>',
      'nobody for this long; default: 10 (KARST_IDLE_MINUTES)',
      integer(0, 1440),
    )
    .addOption(
      new Option(
        '--idle-stop <how>',
        'when a person returns, running tasks finish or are given back; default: soft (KARST_IDLE_STOP)',
      ).choices(['soft', 'hard']),
    )
    .option(
      '--idle-command <shell>',
      'prints for how many seconds nobody has used the machine (KARST_IDLE_COMMAND)',
    );
}
