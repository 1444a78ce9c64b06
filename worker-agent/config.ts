import { hostname } from 'node:os';
import { nodeNameSchema } from '@karst/shared/protocol/node.ts';
import { stopSchema } from '@karst/shared/protocol/node-settings.ts';
import { z } from 'zod';
import type { IdleOptions } from './hardware/idle-guard.ts';
import { type ToldInventory, toldInventory, toldVariables } from './hardware/told-inventory.ts';
import { deviceVariables } from './session/task-environment.ts';

const mebibyte = 1024 * 1024;
const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;

/** A variable set to nothing counts as not set. */
const optionalText = z
  .string()
  .transform((text) => (text === '' ? undefined : text))
  .optional();
const whole = (least: number, most: number) => z.coerce.number().int().min(least).max(most);

const environmentSchema = z.object({
  KARST_URL: z.url({ protocol: /^https?$/, error: 'expected an http or https URL' }),
  KARST_AGENT_DIR: z.string({ error: 'expected a directory' }).min(1),
  KARST_ENROLLMENT_TOKEN: optionalText,
  KARST_ENROLLMENT_TOKEN_FILE: optionalText,
  KARST_NODE_NAME: nodeNameSchema.optional(),
  KARST_SLOTS: whole(1, 4096).default(1),
  KARST_ADDRESS: optionalText.refine(
    (text) => text === undefined || /^[A-Za-z0-9._:-]{1,255}$/.test(text),
    'expected a host name or address',
  ),
  KARST_CACHE_MIB: whole(0, 2 ** 31).default(10_240),
  KARST_LINK_INPUTS: z.enum(['auto', '0', '1']).default('auto'),
  KARST_DISK_MIN_MIB: whole(0, 2 ** 31).default(512),
  KARST_SESSION_IDLE_S: whole(0, 86_400).default(60),
  ...toldVariables,
  KARST_SOFTWARE_SEARCH: z.enum(['0', '1']).default('1'),
  KARST_IDLE_ONLY: z.enum(['0', '1']).default('0'),
  KARST_IDLE_MINUTES: z.coerce.number().min(0).max(1440).default(10),
  KARST_IDLE_STOP: stopSchema.default('soft'),
  KARST_IDLE_COMMAND: optionalText,
  DISPLAY: optionalText,
  KARST_TASK_PATH: optionalText,
  KARST_EXIT_WITH_PARENT: z.enum(['0', '1']).default('0'),
  KARST_LOG_LEVEL: z.enum(logLevels).default('info'),
  PATH: z.string().default('/usr/local/bin:/usr/bin:/bin'),
});

export interface AgentConfig {
  url: URL;
  /** State directory: key, node id, cache, sessions. */
  dir: string;
  enrollmentToken?: string;
  enrollmentTokenFile?: string;
  nodeName: string;
  slots: number;
  /** Where other nodes reach this one; absent: at its address on the way to the orchestrator. */
  address?: string;
  cacheBytesMax: number;
  /** Whether large inputs may be links to the cache, where the file system makes no reference copies. */
  linkInputs: boolean;
  diskFreeMibMin: number;
  /** How long a session without tasks is kept; 0: not at all. */
  sessionIdleMs: number;
  taskPath: string;
  exitWithParent: boolean;
  logLevel: (typeof logLevels)[number];
  devices: Record<string, string>;
  /** Whether known applications are asked for their versions at start. */
  softwareSearch: boolean;
  told: ToldInventory;
  /** Absent: it works whether or not somebody uses the machine. */
  idleOnly?: IdleOptions;
}

function tellIssue(issue: z.core.$ZodIssue): string {
  // What is wrong with a name in a table stands inside.
  const inner = issue.code === 'invalid_key' ? issue.issues[0] : undefined;
  return `${issue.path.join('.')}: ${inner?.message ?? issue.message}`;
}

/** Reads the agent's settings. Throws an Error that names every variable that is wrong. */
export function readConfig(
  environment: Record<string, string | undefined>,
  uid = process.geteuid?.(),
): AgentConfig {
  const parsed = environmentSchema.safeParse(environment);
  if (!parsed.success) {
    throw new Error(parsed.error.issues.map(tellIssue).join('; '));
  }
  const values = parsed.data;
  const devices: Record<string, string> = {};
  for (const name of deviceVariables) {
    const value = environment[name];
    if (value !== undefined) devices[name] = value;
  }
  return {
    url: new URL(values.KARST_URL),
    dir: values.KARST_AGENT_DIR,
    ...(values.KARST_ENROLLMENT_TOKEN === undefined
      ? {}
      : { enrollmentToken: values.KARST_ENROLLMENT_TOKEN }),
    ...(values.KARST_ENROLLMENT_TOKEN_FILE === undefined
      ? {}
      : { enrollmentTokenFile: values.KARST_ENROLLMENT_TOKEN_FILE }),
    nodeName: values.KARST_NODE_NAME ?? nameFromHost(hostname()),
    slots: values.KARST_SLOTS,
    ...(values.KARST_ADDRESS === undefined ? {} : { address: values.KARST_ADDRESS }),
    cacheBytesMax: values.KARST_CACHE_MIB * mebibyte,
    linkInputs: linksInputs(values.KARST_LINK_INPUTS, uid),
    diskFreeMibMin: values.KARST_DISK_MIN_MIB,
    sessionIdleMs: 1000 * values.KARST_SESSION_IDLE_S,
    taskPath: values.KARST_TASK_PATH ?? values.PATH,
    exitWithParent: values.KARST_EXIT_WITH_PARENT === '1',
    logLevel: values.KARST_LOG_LEVEL,
    devices,
    softwareSearch: values.KARST_SOFTWARE_SEARCH === '1',
    told: toldInventory(values),
    ...(values.KARST_IDLE_ONLY === '1' ? { idleOnly: idleOptions(values) } : {}),
  };
}

/** Root's tasks are not bound by permissions, so no links unless an operator says so. */
const linksInputs = (told: 'auto' | '0' | '1', uid: number | undefined): boolean =>
  told === 'auto' ? uid !== 0 : told === '1';

function idleOptions(values: z.output<typeof environmentSchema>): IdleOptions {
  const { KARST_IDLE_COMMAND, DISPLAY } = values;
  return {
    idleMs: 60_000 * values.KARST_IDLE_MINUTES,
    stop: values.KARST_IDLE_STOP,
    ...(KARST_IDLE_COMMAND === undefined ? {} : { command: KARST_IDLE_COMMAND }),
    ...(DISPLAY === undefined ? {} : { display: DISPLAY }),
  };
}

/** A host's name made fit for a node's. */
function nameFromHost(host: string): string {
  const name = host.replace(/[^A-Za-z0-9._-]/g, '-').replace(/^[^A-Za-z0-9]+/, '');
  return name === '' ? 'node' : name.slice(0, 63);
}
