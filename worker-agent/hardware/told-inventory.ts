import {
  amountsSchema,
  attributesSchema,
  latencyMsSchema,
  shortNameSchema,
  softwareSchema,
  tagsSchema,
} from '@karst/shared/protocol/inventory.ts';
import { z } from 'zod';

const entry = /^([^=]+)=(.+)$/;

/** `a, b`: parts without blanks around them, empty ones left out. */
const listText = z.string().transform((text) =>
  text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== ''),
);

/** `name=value,name=value`; each value is read by `read`. */
const tableText = <T>(what: string, read: (text: string) => T) =>
  listText.transform((parts, context) => {
    const table: Record<string, T> = {};
    for (const part of parts) {
      const [, name, value] = entry.exec(part) ?? [];
      if (name === undefined || value === undefined) {
        context.addIssue({ code: 'custom', message: `found ${part}, expected ${what}` });
        return z.NEVER;
      }
      table[name.trim().toLowerCase()] = read(value.trim());
    }
    return table;
  });

const place = z.preprocess(
  (value) => (value === '' ? undefined : value),
  shortNameSchema.optional(),
);
const unset = (value: unknown) => (value === '' ? undefined : value);

/** What people tell of a machine beside what is found on it. */
export const toldVariables = {
  KARST_TAGS: listText.prefault('').pipe(tagsSchema),
  KARST_REGION: place,
  KARST_SITE: place,
  KARST_PROVIDER: place,
  KARST_AMOUNTS: tableText('name=number such as amount.acme_licence=4', Number)
    .prefault('')
    .pipe(amountsSchema),
  KARST_ATTRIBUTES: tableText('name=value|value such as attr.studio_os=rocky9|rocky8', (text) =>
    text.split('|').map((value) => value.trim()),
  )
    .prefault('')
    .pipe(attributesSchema),
  KARST_SOFTWARE: tableText('name=version such as nuke=15.1', (text) => text)
    .prefault('')
    .pipe(softwareSchema),
  KARST_LATENCY_MS: tableText('place=milliseconds such as shanghai=18.5', Number)
    .prefault('')
    .pipe(latencyMsSchema),
  KARST_CPUS: z.preprocess(unset, z.coerce.number().int().min(1).max(65_536).optional()),
  KARST_MEMORY_MIB: z.preprocess(
    unset,
    z.coerce
      .number()
      .int()
      .min(1)
      .max(2 ** 31)
      .optional(),
  ),
} as const;

const toldSchema = z.object(toldVariables);

export interface ToldInventory {
  tags: string[];
  region?: string;
  site?: string;
  provider?: string;
  amounts: Record<string, number>;
  attributes: Record<string, string[]>;
  software: Record<string, string>;
  latencyMs: Record<string, number>;
  /** Processors that Karst may use; absent: all. */
  cpuCount?: number;
  /** Memory that Karst may use; absent: all. */
  memoryMib?: number;
}

export function toldInventory(values: z.output<typeof toldSchema>): ToldInventory {
  const { KARST_REGION, KARST_SITE, KARST_PROVIDER, KARST_CPUS, KARST_MEMORY_MIB } = values;
  return {
    tags: values.KARST_TAGS,
    amounts: values.KARST_AMOUNTS,
    attributes: values.KARST_ATTRIBUTES,
    software: values.KARST_SOFTWARE,
    latencyMs: values.KARST_LATENCY_MS,
    ...(KARST_REGION === undefined ? {} : { region: KARST_REGION }),
    ...(KARST_SITE === undefined ? {} : { site: KARST_SITE }),
    ...(KARST_PROVIDER === undefined ? {} : { provider: KARST_PROVIDER }),
    ...(KARST_CPUS === undefined ? {} : { cpuCount: KARST_CPUS }),
    ...(KARST_MEMORY_MIB === undefined ? {} : { memoryMib: KARST_MEMORY_MIB }),
  };
}
