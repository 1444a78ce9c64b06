import { z } from 'zod';
import { capabilityNameMistake, isAttributeValue } from '../openjd/capabilities.ts';

/** A short name that people give: of a region, a site, a provider, a pool, a tag. */
export const shortNameSchema = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9 ._-]{0,62}$/, 'expected 1 to 63 letters, digits, spaces, . _ -');

export const tagsSchema = z.array(shortNameSchema).max(100);

export const gpuSchema = z
  .object({
    vendor: z.enum(['nvidia', 'amd', 'ascend']),
    model: z.string().max(200),
    uuid: z.string().max(200).optional(),
    index: z.int().min(0).optional().describe("Its number in the vendor's tool."),
    memoryMib: z.int().min(0),
  })
  .meta({ id: 'Gpu' });
export type Gpu = z.infer<typeof gpuSchema>;

const lowerCaseName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9._-]{0,62}$/, 'expected 1 to 63 lower-case letters, digits, . _ -');
export const softwareNameSchema = lowerCaseName;
/** A site, a city, an exchange: what latencies are measured to. */
const placeNameSchema = lowerCaseName;
export const softwareVersionSchema = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9.+_~-]{0,63}$/, 'expected a version such as 3.4.1');

/** Names of custom capabilities, in lower case: OpenJD compares them in any case. */
const capabilityName = (kind: 'amount' | 'attr') =>
  z.string().refine((name) => capabilityNameMistake(kind, name) === undefined, {
    error: ({ input }) => capabilityNameMistake(kind, String(input)),
  });
const attributeValue = z.string().refine(isAttributeValue, {
  error: 'expected 1 to 100 letters, digits, _ and -, starting with a letter or _',
});

/** Custom amounts of a node by name, such as `amount.acme_licence`. */
export const amountsSchema = z
  .record(capabilityName('amount'), z.number().min(0))
  .describe('Custom amounts by name (amount.<name>, a vendor: prefix allowed).');
/** Custom attributes of a node by name, such as `attr.studio_os`, with every value it has. */
export const attributesSchema = z
  .record(capabilityName('attr'), z.array(attributeValue).min(1).max(50))
  .describe('Custom attributes by name (attr.<name>, a vendor: prefix allowed).');

export const softwareSchema = z
  .record(softwareNameSchema, softwareVersionSchema)
  .describe('Applications and the version of each.');

export const latencyMsSchema = z
  .record(placeNameSchema, z.number().min(0).max(60_000))
  .describe('Network latency to named places, one way, ms.');

/** What a node is, as the agent found it or was told. */
export const inventorySchema = z
  .strictObject({
    hostname: z.string().max(255),
    os: z.enum(['linux', 'macos', 'windows']),
    arch: z.enum(['x86_64', 'arm64']),
    cpuModel: z.string().max(200),
    cpuCount: z.int().min(1).describe('Processors that Karst may use.'),
    memoryMib: z.int().min(1).describe('Memory that Karst may use.'),
    scratchMib: z.int().min(0),
    gpus: z.array(gpuSchema).max(64),
    software: softwareSchema.default({}),
    tags: tagsSchema.default([]),
    region: shortNameSchema.optional(),
    site: shortNameSchema.optional(),
    provider: shortNameSchema.optional(),
    amounts: amountsSchema.default({}),
    attributes: attributesSchema.default({}),
    latencyMs: latencyMsSchema.default({}),
    agentVersion: z.string().max(50),
  })
  .meta({ id: 'Inventory' });
export type Inventory = z.infer<typeof inventorySchema>;
