import type { Inventory } from '@karst/shared/protocol/node.ts';
import { z } from 'zod';
import { toolOutput } from './tool-output.ts';

type Gpu = Inventory['gpus'][number];

const mebibyte = 1024 * 1024;
const cardsSchema = z.record(z.string(), z.record(z.string(), z.unknown()));

export async function readAmdGpus(): Promise<Gpu[]> {
  const args = ['--showproductname', '--showuniqueid', '--showmeminfo', 'vram', '--json'];
  const text = await toolOutput('rocm-smi', args);
  return text === undefined ? [] : parseRocmSmi(text);
}

/** rocm-smi's JSON: an object for each card, keys worded differently from release to release. */
export function parseRocmSmi(text: string): Gpu[] {
  const cards = cardsSchema.safeParse(parseJson(text));
  if (!cards.success) return [];
  const gpus: Gpu[] = [];
  for (const [name, fields] of Object.entries(cards.data)) {
    if (!/^card\d+$/.test(name)) continue;
    const read = (...keys: string[]) => {
      const wanted = keys.map((key) => key.toLowerCase());
      const found = Object.entries(fields).find(([key]) => wanted.includes(key.toLowerCase()));
      return found === undefined ? undefined : String(found[1]);
    };
    const uuid = read('Unique ID');
    const bytes = Number(read('VRAM Total Memory (B)') ?? 0);
    gpus.push({
      vendor: 'amd',
      model: (read('Card series', 'Card Series', 'Card model') ?? 'AMD GPU').slice(0, 200),
      ...(uuid === undefined || uuid === 'N/A' ? {} : { uuid: uuid.slice(0, 200) }),
      index: Number(name.slice('card'.length)),
      memoryMib: Number.isFinite(bytes) ? Math.floor(bytes / mebibyte) : 0,
    });
  }
  return gpus;
}

function parseJson(text: string): unknown {
  // rocm-smi prints warnings before the document.
  const start = text.indexOf('{');
  try {
    return JSON.parse(text.slice(start === -1 ? 0 : start));
  } catch {
    return undefined;
  }
}
