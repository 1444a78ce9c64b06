import { z } from 'zod';
import { keyIdSchema, studioIdSchema } from './ids.ts';

/**
 * What an API key may do. Each role includes those before it.
 * read: see its studio's jobs. submit: submit and control its studio's jobs. operator: see and drain
 * nodes, enrol new ones. admin: make and revoke keys of any studio.
 */
export const roleSchema = z.enum(['read', 'submit', 'operator', 'admin']).meta({ id: 'Role' });
export type Role = z.infer<typeof roleSchema>;

/** Whether a key of role `has` may do what role `needs` may. */
export const roleAllows = (has: Role, needs: Role): boolean =>
  roleSchema.options.indexOf(has) >= roleSchema.options.indexOf(needs);

export const keyCreateSchema = z.strictObject({
  studio: studioIdSchema,
  role: roleSchema,
  note: z.string().max(200).default(''),
});
export const keySchema = z
  .object({
    id: keyIdSchema,
    studio: studioIdSchema,
    role: roleSchema,
    note: z.string(),
    createdAt: z.iso.datetime(),
  })
  .meta({ id: 'Key' });
export const keyCreatedSchema = keySchema.extend({
  key: z.string().describe('The secret, karst_<id>_<secret>. Shown once, stored hashed.'),
});
export const whoamiSchema = z.object({
  keyId: keyIdSchema,
  studio: studioIdSchema,
  role: roleSchema,
});
