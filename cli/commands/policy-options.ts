import { priorityClassSchema } from '@karst/shared/protocol/job.ts';
import type { JobChange, PlacementChange } from '@karst/shared/protocol/job-change.ts';
import type { Placement } from '@karst/shared/protocol/placement.ts';
import type { PricesChange } from '@karst/shared/protocol/prices.ts';
import { type Command, Option } from 'commander';
import { z } from 'zod';
import { amount, integer, NONE, nameValue, orNone, orNull } from './command-line.ts';

const several = (word: string, before: readonly string[] = []) => [...before, word];

const countOrNone = (max: number) => orNone(integer(1, max));

type Latencies = Readonly<Record<string, number>>;

/** Parser of the repeatable `--max-latency PLACE=MS`, or `none`. */
function latenciesOrNone(text: string, before: Latencies | typeof NONE = {}) {
  if (text === NONE) return NONE;
  const known = Object.entries(before === NONE ? {} : before);
  const told = nameValue(text, Object.fromEntries(known.map(([place, ms]) => [place, `${ms}`])));
  return Object.fromEntries(Object.entries(told).map(([place, ms]) => [place, amount(ms)]));
}

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
    .option(
      '--max-latency <place=ms>',
      'only nodes so near, one way, such as shanghai=20; repeat it for more',
      latenciesOrNone,
    )
    .option('--max-gpu-hour-price <n>', 'only nodes whose GPUs cost no more', orNone(amount))
    .option('--max-core-hour-price <n>', 'only nodes whose cores cost no more', orNone(amount))
    .option('--policy <policy>', 'all of it: a YAML or JSON file, or the JSON; flags go before it');
}

const names = z.array(z.string()).optional();
/** What `orNone(amount)` reads. */
export const priceOption = z.union([z.literal(NONE), z.number()]).optional();
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
  maxLatency: z.union([z.literal(NONE), z.record(z.string(), z.number())]).optional(),
  maxGpuHourPrice: priceOption,
  maxCoreHourPrice: priceOption,
  policy: z.string().optional(),
});
export type PolicyOptions = z.infer<typeof policyOptionsSchema>;

/** Prices as flags say them; null takes one back, undefined says nothing of it. */
export function pricesOf(
  gpuHour: z.output<typeof priceOption>,
  coreHour: z.output<typeof priceOption>,
): PricesChange {
  return {
    ...(gpuHour === undefined ? {} : { gpuHour: orNull(gpuHour) }),
    ...(coreHour === undefined ? {} : { coreHour: orNull(coreHour) }),
  };
}

const placed = ({ pool, region, site, tag, software, maxLatency }: PolicyOptions) => ({
  ...(pool === undefined ? {} : { pool: orNull(pool) }),
  ...(region === undefined ? {} : { regions: region }),
  ...(site === undefined ? {} : { sites: site }),
  ...(tag === undefined ? {} : { tags: tag }),
  ...(software === undefined ? {} : { software }),
  ...(maxLatency === undefined ? {} : { maxLatencyMs: orNull(maxLatency) }),
});

const reruns = ({ rerunSlowTasks: said }: PolicyOptions) =>
  said === undefined ? {} : { rerunSlowTasks: said === 'on' };

const atAnyPrice = { gpuHour: null, coreHour: null };
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
  maxLatencyMs: null,
  maxPrices: null,
} satisfies Record<keyof Placement, unknown>;

/** Where flags say, before what `--policy` says; null takes back. Prices are said kind by kind. */
export function joinPlaces(given: PlacementChange, said: PlacementChange): PlacementChange {
  const { maxPrices: before, ...elsewhere } = given;
  const { maxPrices: after, ...where } = said;
  const maxPrices = { ...(before === null ? atAnyPrice : before), ...after };
  const priced = Object.keys(maxPrices).length === 0 ? {} : { maxPrices };
  return { ...elsewhere, ...where, ...priced };
}

/** What they say of a job, before what it says itself; null takes that back. */
export function changeOf(options: PolicyOptions, everywhere = false): JobChange {
  const { limit, maxTasks, maxNodes } = options;
  const maxPrices = pricesOf(options.maxGpuHourPrice, options.maxCoreHourPrice);
  const placement = joinPlaces(everywhere ? anywhere : {}, { ...placed(options), maxPrices });
  return {
    ...(options.class === undefined ? {} : { priorityClass: options.class }),
    ...(limit === undefined ? {} : { limits: limit.filter((name) => name !== NONE) }),
    ...(maxTasks === undefined ? {} : { maxTasks: orNull(maxTasks) }),
    ...(maxNodes === undefined ? {} : { maxNodes: orNull(maxNodes) }),
    ...reruns(options),
    ...(Object.keys(placement).length === 0 ? {} : { placement }),
  };
}
