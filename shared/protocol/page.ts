import { z } from 'zod';

/** Cursor pagination: `cursor` is opaque, taken from the previous page's `nextCursor`. */
export const pageQuerySchema = z.object({
  cursor: z.string().max(200).optional(),
  limit: z.coerce.number().int().min(1).max(1000).default(100),
});

export const pageOf = <T extends z.ZodType>(item: T) =>
  z.object({
    items: z.array(item),
    nextCursor: z.string().optional().describe('Absent on the last page.'),
  });
