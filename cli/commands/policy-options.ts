import { priorityClassSchema } from '@karst/shared/protocol/job.ts';
import type { JobChange } from '@karst/shared/protocol/job-change.ts';
import { type Command, Option } from 'commander';
import { z } from 'zod';
import { integer, nameValue } from './command-line.ts';

/** How a person leaves out what a job has: `--pool none`. */
export const NONE = 'none';

const several = (word: string, before: readonly string[] = []) => [...before, word];

const countOrNone = (max: number) => (text: string) =>
  text === NONE ? NONE : integer(1, max)(text);

/** Flags that say how a job ranks, where it may run and what it may take. */
export function addPolicyOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--class <class>', 'goes before or after jobs of the other classes').choices(
        priorityClassSchema.options,
      ),
    )
    .option('--limit <name>', 'a limit each task takes one of (a licence); repeat it', several)
    .option('--max-tasks <n>', 'most tasks running at once', countOrNone(1_000_000))
    .option('--max-nodes <n>', 'most nodes it runs on at once', countOrNone(100_000))
    .addOption(
      new Option(
        '--rerun-slow-tasks <on|off>',
        'run flagged tasks on another node too; the first success counts',
      ).choices(['on', 'off']),
    )
    .option('--pool <name>', 'only nodes of this pool')
    .option('--region <name>', 'only nodes of this region; repeat it for more', several)
    .option('--site <name>', 'only nodes of this site; repeat it for more', several)
    .option('--tag <name>', 'only nodes with this tag; repeat it: with all of them', several)
    .option(
      '--software <name=versions>',
      'only nodes that have it, such as blender=">=4.2 <5"; repeat it for more',
      nameValue,
    )
    .option('--policy <policy>', 'all of it: a YAML or JSON file, or the JSON; flags go before it');
}

const names = z.array(z.string()).optional();
const count = z.union([z.literal(NONE), z.int()]).optional();
export const policyOptionsSchema = z.object({
  class: priorityClassSchema.optional(),
  limit: names,
  maxTasks: count,
  maxNodes: count,
  rerunSlowTasks: z.enum(['on', 'off']).optional(),
  pool: z.string().optional(),
  region: names,
  site: names,
  tag: names,
  software: z.record(z.string(), z.string()).optional(),
  policy: z.string().optional(),
});
export type PolicyOptions = z.infer<typeof policyOptionsSchema>;

const placed = ({ pool, region, site, tag, software }: PolicyOptions) => ({
  ...(pool === undefined ? {} : { pool }),
  ...(region === undefined ? {} : { regions: region }),
  ...(site === undefined ? {} : { sites: site }),
  ...(tag === undefined ? {} : { tags: tag }),
  ...(software === undefined ? {} : { software }),
});

const reruns = ({ rerunSlowTasks: said }: PolicyOptions) =>
  said === undefined ? {} : { rerunSlowTasks: said === 'on' };

const anywhere = {
  pool: null,
  regions: null,
  sites: null,
  providers: null,
  nodes: null,
  avoidNodes: null,
  tags: null,
  gpuModels: null,
  software: null,
};

const orNull = <T>(value: T | typeof NONE): T | null => (value === NONE ? null : value);

/** What they say of a job, before what it says itself; null takes that back. */
export function changeOf(options: PolicyOptions, everywhere = false): JobChange {
  const { limit, maxTasks, maxNodes } = options;
  const where = placed(options);
  const pool = where.pool === undefined ? {} : { pool: orNull(where.pool) };
  const placement = { ...(everywhere ? anywhere : {}), ...where, ...pool };
  return {
    ...(options.class === undefined ? {} : { priorityClass: options.class }),
    ...(limit === undefined ? {} : { limits: limit.filter((name) => name !== NONE) }),
    ...(maxTasks === undefined ? {} : { maxTasks: orNull(maxTasks) }),
    ...(maxNodes === undefined ? {} : { maxNodes: orNull(maxNodes) }),
    ...reruns(options),
    ...(Object.keys(placement).length === 0 ? {} : { placement }),
  };
}
