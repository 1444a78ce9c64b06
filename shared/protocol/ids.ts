import { z } from 'zod';
import type { Random } from '../random.ts';

/** Branded identifiers: a node's id can't be passed where a job's is meant. */
const hexId = (prefix: string) => new RegExp(`^${prefix}-[0-9a-f]{20}$`);

export const jobIdSchema = z
  .string()
  .regex(hexId('job'), 'expected a job id such as job-0123456789abcdef0123')
  .brand<'JobId'>()
  .meta({ id: 'JobId', description: 'Identifies a job.' });
export const nodeIdSchema = z
  .string()
  .regex(hexId('node'), 'expected a node id such as node-0123456789abcdef0123')
  .brand<'NodeId'>()
  .meta({ id: 'NodeId', description: 'Identifies an enrolled node.' });
export const leaseIdSchema = z
  .uuid('expected a lease id (UUID)')
  .brand<'LeaseId'>()
  .meta({ id: 'LeaseId', description: "A node's right to run one span." });
export const studioIdSchema = z
  .string()
  .regex(
    /^[a-z][a-z0-9-]{0,62}$/,
    'expected 1 to 63 lower-case letters, digits or hyphens, starting with a letter',
  )
  .brand<'StudioId'>()
  .meta({ id: 'StudioId', description: 'The tenant. Every stored key and query is scoped to it.' });
export const keyIdSchema = z
  .string()
  .regex(/^[0-9a-f]{20}$/, 'expected a key id of 20 hexadecimal digits')
  .brand<'KeyId'>()
  .meta({ id: 'KeyId', description: 'The public half of an API key.' });

export type JobId = z.infer<typeof jobIdSchema>;
export type NodeId = z.infer<typeof nodeIdSchema>;
export type LeaseId = z.infer<typeof leaseIdSchema>;
export type StudioId = z.infer<typeof studioIdSchema>;
export type KeyId = z.infer<typeof keyIdSchema>;

const hex = (random: Random) => random.uuid().replaceAll('-', '').slice(0, 20);

export const newJobId = (random: Random): JobId => jobIdSchema.parse(`job-${hex(random)}`);
export const newNodeId = (random: Random): NodeId => nodeIdSchema.parse(`node-${hex(random)}`);
export const newLeaseId = (random: Random): LeaseId => leaseIdSchema.parse(random.uuid());
export const newKeyId = (random: Random): KeyId => keyIdSchema.parse(hex(random));
