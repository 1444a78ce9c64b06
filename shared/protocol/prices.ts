import { z } from 'zod';

const price = z.number().min(0).optional();

/** What a node costs for each hour, or may cost, in the farm's one currency. */
export const pricesSchema = z
  .strictObject({
    gpuHour: price.describe('Of one GPU for an hour.'),
    coreHour: price.describe('Of one core for an hour.'),
  })
  .meta({ id: 'Prices' });
export type Prices = z.infer<typeof pricesSchema>;

const kinds = pricesSchema.shape;

/** A change of prices: a kind that is absent stays as it is. */
export const pricesChangeSchema = z
  .strictObject({
    gpuHour: kinds.gpuHour.unwrap().nullable().optional(),
    coreHour: kinds.coreHour.unwrap().nullable().optional(),
  } satisfies Record<keyof Prices, z.ZodType>)
  .meta({ id: 'PricesChange' });
export type PricesChange = z.infer<typeof pricesChangeSchema>;
