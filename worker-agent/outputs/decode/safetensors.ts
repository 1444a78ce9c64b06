import { z } from 'zod';
import { begins, type Fault, type FileBytes, truncated } from './file-bytes.ts';

/** What the reference implementation takes. */
const headerBytesMax = 100_000_000;

const offset = z.int().min(0);
const headerSchema = z.record(
  z.string(),
  z.object({ data_offsets: z.tuple([offset, offset]).optional() }),
);

/** The header, and tensors that follow each other to the file's very end. */
export async function checkSafetensors(bytes: FileBytes): Promise<Fault> {
  const head = await bytes.at(0, 8);
  if (head.length < 8) return truncated('within its header');
  const length = Number(head.readBigUInt64LE(0));
  if (length > headerBytesMax || length < 2) return `is no safetensors file: ${begins(head)}`;
  if (8 + length > bytes.size) return truncated('within its header');
  const header = readHeader((await bytes.at(8, length)).toString('utf8'));
  if (header === undefined) return 'is garbled: its header is no JSON with data_offsets';
  const tensors = Object.entries(header)
    .flatMap(([name, { data_offsets: at }]) => (at === undefined ? [] : [{ name, at }]))
    .sort((a, b) => a.at[0] - b.at[0] || a.at[1] - b.at[1]);
  let end = 0;
  for (const { name, at } of tensors) {
    if (at[0] !== end || at[1] < at[0]) {
      return `is garbled: tensor ${JSON.stringify(name)} has bytes ${at[0]} to ${at[1]}, not from ${end} on`;
    }
    end = at[1];
    if (8 + length + end > bytes.size) return truncated(`within tensor ${JSON.stringify(name)}`);
  }
  const rest = bytes.size - 8 - length - end;
  return rest === 0 ? undefined : `is garbled: ${rest} bytes follow its last tensor`;
}

function readHeader(text: string): z.infer<typeof headerSchema> | undefined {
  try {
    const { __metadata__: _, ...tensors } = z
      .record(z.string(), z.unknown())
      .parse(JSON.parse(text));
    return headerSchema.parse(tensors);
  } catch {
    return undefined;
  }
}
