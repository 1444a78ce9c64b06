import type { Inventory } from '@karst/shared/protocol/inventory.ts';
import type { Node } from '@karst/shared/protocol/node.ts';
import type { Prices } from '@karst/shared/protocol/prices.ts';
import { scheduleText } from '@karst/shared/schedule/schedule-text.ts';
import type { CliContext } from '../context.ts';
import type { Column } from '../terminal/table.ts';
import { clip, plainText } from '../terminal/text.ts';
import { agoText, MESSAGE_WIDTH_MAX } from './resource-tables.ts';

const TAGS_WIDTH_MAX = 30;

export const nodeColumns = (context: CliContext): Column<Node>[] => [
  { title: 'NODE', value: ({ id }) => id },
  { title: 'NAME', value: ({ name }) => name },
  { title: 'STATE', value: ({ state }) => state },
  { title: 'POOL', value: ({ pool }) => pool },
  { title: 'BUSY', value: ({ leaseCount, slots }) => `${leaseCount}/${slots}` },
  { title: 'CPUS', value: ({ inventory }) => inventory?.cpuCount ?? '-' },
  {
    title: 'MEMORY',
    value: ({ inventory }) =>
      inventory === undefined ? '-' : `${Math.round(inventory.memoryMib / 1024)} GB`,
  },
  { title: 'GPUS', value: ({ inventory }) => gpuText(inventory?.gpus ?? []) },
  { title: 'PRICE', value: ({ prices }) => priceText(prices, '/GPU-h', '/core-h') },
  { title: 'LAST SEEN', value: ({ lastSyncAt }) => agoText(context, lastSyncAt) },
  { title: 'TAGS', value: (node) => clip(tagsOf(node).join(',') || '-', TAGS_WIDTH_MAX) },
  { title: 'NOTE', value: (node) => clip(plainText(noteOf(node)), MESSAGE_WIDTH_MAX) },
];

/** Those of its agent and those of operators. */
const tagsOf = ({ inventory, tags }: Node): string[] => [
  ...new Set([...(inventory?.tags ?? []), ...tags]),
];

/** Why it takes no work, what the farm says, then what the node says; and for whom room is made. */
const noteOf = ({ drainReason, message, preempting }: Node): string =>
  [drainReason, message, ...(preempting ?? []).map(({ jobId }) => `makes room for ${jobId}`)]
    .filter((text) => text !== undefined)
    .join('; ') || '-';

function priceText({ gpuHour, coreHour }: Prices, perGpu: string, perCore: string): string {
  const told = [
    ...(gpuHour === undefined ? [] : [`${gpuHour}${perGpu}`]),
    ...(coreHour === undefined ? [] : [`${coreHour}${perCore}`]),
  ];
  return told.join(', ') || '-';
}

/** `8 x H200`: equal models together. */
function gpuText(gpus: readonly { model: string }[]): string {
  const byModel = new Map<string, number>();
  for (const { model } of gpus) byModel.set(model, (byModel.get(model) ?? 0) + 1);
  return [...byModel].map(([model, n]) => `${n} x ${model}`).join(', ') || '-';
}

const placeText = ({ region, site, provider }: Inventory): string =>
  [provider, region, site].filter((name) => name !== undefined).join(', ') || '-';

/** `blender 3.4.1, ffmpeg 5.1.6` */
const tableText = (table: Readonly<Record<string, string | number | string[]>>): string =>
  Object.entries(table)
    .map(([name, value]) => `${name} ${Array.isArray(value) ? value.join('|') : value}`)
    .join(', ') || '-';

const latencyText = (latencyMs: Inventory['latencyMs']): string =>
  Object.entries(latencyMs)
    .map(([place, ms]) => `${place} ${ms} ms`)
    .join(', ') || '-';

export function nodeLines(node: Node): [string, string | number][] {
  const lines: [string, string | number][] = [
    ['Node', node.id],
    ['Name', node.name],
    ['State', node.state],
    ['Busy', `${node.leaseCount} of ${node.slots} slots`],
  ];
  if (noteOf(node) !== '-') lines.push(['Note', plainText(noteOf(node))]);
  for (const { at, kind, jobId, step, task } of node.quarantined?.evidence ?? []) {
    lines.push(['Evidence', plainText(`${at} ${kind}: ${jobId} ${step} task ${task}`)]);
  }
  if (node.quarantined?.probation) {
    lines.push(['Probation', 'one lease at a time until a task succeeds']);
  }
  lines.push(
    ['Pool', node.pool],
    ['Tags', tagsOf(node).join(', ') || '-'],
    [
      'Schedule',
      node.schedule === undefined
        ? 'always'
        : `${scheduleText(node.schedule)}, then a ${node.stop} stop`,
    ],
    ['Price', priceText(node.prices, ' a GPU-hour', ' a core-hour')],
  );
  const { inventory } = node;
  if (inventory !== undefined) {
    lines.push(
      ['Host', `${plainText(inventory.hostname)} (${inventory.os}, ${inventory.arch})`],
      ['CPU', `${inventory.cpuCount} x ${plainText(inventory.cpuModel)}`],
      ['Memory', `${inventory.memoryMib} MiB`],
      ['Scratch', `${inventory.scratchMib} MiB`],
      ['GPUs', plainText(gpuText(inventory.gpus))],
      ['Software', tableText(inventory.software)],
      ['Place', placeText(inventory)],
      ['Latency', latencyText(inventory.latencyMs)],
      ['Amounts', tableText(inventory.amounts)],
      ['Attributes', tableText(inventory.attributes)],
      ['Agent', inventory.agentVersion],
    );
  }
  lines.push(['Enrolled', node.enrolledAt]);
  if (node.lastSyncAt !== undefined) lines.push(['Last seen', node.lastSyncAt]);
  return lines;
}
