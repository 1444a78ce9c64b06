import type { NodeId } from '@karst/shared/protocol/ids.ts';
import { tagsSchema } from '@karst/shared/protocol/inventory.ts';
import {
  DEFAULT_POOL,
  type NodeSettings,
  type NodeSettingsChange,
  stopSchema,
} from '@karst/shared/protocol/node-settings.ts';
import { pricesSchema } from '@karst/shared/protocol/prices.ts';
import { scheduleSchema } from '@karst/shared/protocol/schedule.ts';
import type { Drain } from '../domain/node-hold.ts';
import type { Redis } from './connection.ts';
import { keys } from './keys.ts';

/** Fields of a node's hash that an operator sets; they are mirrored to storage. */
export const operatorFields = [
  'drain',
  'drain_now',
  'pool',
  'tags',
  'schedule',
  'stop',
  'gpu_hour_price',
  'core_hour_price',
] as const;

type Fields = Partial<Record<(typeof operatorFields)[number], string>>;

export function readSettings(fields: Fields): NodeSettings {
  const { pool, tags, schedule, stop, gpu_hour_price, core_hour_price } = fields;
  return {
    pool: pool || DEFAULT_POOL,
    tags: tags ? tagsSchema.parse(JSON.parse(tags)) : [],
    ...(schedule ? { schedule: scheduleSchema.parse(JSON.parse(schedule)) } : {}),
    stop: stop ? stopSchema.parse(stop) : 'soft',
    prices: pricesSchema.parse({
      ...(gpu_hour_price ? { gpuHour: Number(gpu_hour_price) } : {}),
      ...(core_hour_price ? { coreHour: Number(core_hour_price) } : {}),
    }),
  };
}

export function readDrain({ drain, drain_now }: Fields): Drain {
  if (drain !== '1') return 'no';
  return drain_now === '1' ? 'now' : 'soft';
}

/** Nodes are never removed, so that the two calls need not be one. False: there is no such node. */
async function setFields(redis: Redis, nodeId: NodeId, fields: Fields): Promise<boolean> {
  if ((await redis.exists(keys.node(nodeId))) === 0) return false;
  if (Object.keys(fields).length === 0) return true;
  await redis.multi().hset(keys.node(nodeId), fields).hincrby(keys.node(nodeId), 'rev', 1).exec();
  return true;
}

const priceText = (price: number | null): string => (price === null ? '' : String(price));

export async function changeSettings(
  redis: Redis,
  nodeId: NodeId,
  { pool, tags, schedule, stop, prices }: NodeSettingsChange,
): Promise<boolean> {
  return await setFields(redis, nodeId, {
    ...(pool === undefined ? {} : { pool: pool ?? '' }),
    ...(tags === undefined ? {} : { tags: JSON.stringify(tags) }),
    ...(schedule === undefined
      ? {}
      : { schedule: schedule === null ? '' : JSON.stringify(schedule) }),
    ...(stop === undefined ? {} : { stop }),
    ...(prices?.gpuHour === undefined ? {} : { gpu_hour_price: priceText(prices.gpuHour) }),
    ...(prices?.coreHour === undefined ? {} : { core_hour_price: priceText(prices.coreHour) }),
  });
}

export async function changeDrain(redis: Redis, nodeId: NodeId, drain: Drain): Promise<boolean> {
  const fields = { drain: drain === 'no' ? '0' : '1', drain_now: drain === 'now' ? '1' : '0' };
  return await setFields(redis, nodeId, fields);
}
