import { z } from 'zod';

type JsonSchema = z.core.JSONSchema._JSONSchema;

const described = new WeakMap<z.ZodType, z.core.JSONSchema.BaseSchema>();

/** Computed on the first failure of a schema: requests that are valid never pay for it. */
function jsonSchemaOf(schema: z.ZodType): z.core.JSONSchema.BaseSchema {
  const known = described.get(schema);
  if (known !== undefined) return known;
  const made = z.toJSONSchema(schema, { io: 'output', unrepresentable: 'any' });
  described.set(schema, made);
  return made;
}

/**
 * What `schema` wants at `path` where it wants a number: "an integer from 0 to 100". Undefined for
 * anything else. A zod issue alone knows only the bound that was broken.
 */
export function expectedNumber(
  schema: z.ZodType,
  path: readonly (string | number)[],
): string | undefined {
  const root = jsonSchemaOf(schema);
  let at: JsonSchema | undefined = root;
  for (const step of path) at = child(root, resolve(root, at), step);
  const leaf = resolve(root, at);
  if (leaf?.type !== 'integer' && leaf?.type !== 'number') return undefined;
  const noun = leaf.type === 'integer' ? 'an integer' : 'a number';
  const least = finite(leaf.minimum);
  const most = finite(leaf.maximum);
  if (least !== undefined && most !== undefined) return `${noun} from ${least} to ${most}`;
  if (most !== undefined) return `${noun} ≤ ${most}`;
  return least === undefined ? noun : `${noun} ≥ ${least}`;
}

/** zod writes the safe integers' own bounds into every integer. */
const finite = (limit: number | undefined) =>
  limit === undefined || Math.abs(limit) === Number.MAX_SAFE_INTEGER ? undefined : limit;

function resolve(
  root: z.core.JSONSchema.BaseSchema,
  at: JsonSchema | undefined,
): z.core.JSONSchema.BaseSchema | undefined {
  if (at === undefined || typeof at === 'boolean') return undefined;
  const name = at.$ref === undefined ? undefined : /^#\/\$defs\/(.+)$/.exec(at.$ref)?.[1];
  const target = name === undefined ? at : root.$defs?.[name];
  return typeof target === 'object' ? target : undefined;
}

function child(
  root: z.core.JSONSchema.BaseSchema,
  at: z.core.JSONSchema.BaseSchema | undefined,
  step: string | number,
): JsonSchema | undefined {
  if (at === undefined) return undefined;
  if (typeof step === 'number') return Array.isArray(at.items) ? undefined : at.items;
  const own = at.properties?.[step] ?? at.additionalProperties;
  if (own !== undefined && own !== false) return own;
  // A discriminated union: whichever branch knows the field.
  for (const branch of at.oneOf ?? at.anyOf ?? []) {
    const found = resolve(root, branch)?.properties?.[step];
    if (found !== undefined) return found;
  }
  return undefined;
}
